"""Fetches a page twice and posts, by five ways into the web that live in one process."""

import asyncio
import hashlib
import http.client
import sys
import urllib.request

import aiohttp
import httpx
import requests
import trio
import urllib3

host, port = sys.argv[1], int(sys.argv[2])
url = f"http://{host}:{port}/"
body = b"posted " * 3000


def tell(who: str, page: bytes, posted: bytes) -> None:
    print(who, len(page), posted.decode() == hashlib.sha256(body).hexdigest())


def by_http_client() -> None:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.request("GET", "/")
    page = connection.getresponse().read()
    connection.request("POST", "/", body)
    tell("http.client", page, connection.getresponse().read())
    connection.close()


def by_urllib() -> None:
    with urllib.request.urlopen(url, timeout=30) as page, urllib.request.urlopen(url, body, 30) as posted:
        tell("urllib", page.read(), posted.read())


def by_urllib3() -> None:
    with urllib3.PoolManager() as pool:
        tell("urllib3", pool.request("GET", url).data, pool.request("POST", url, body=body).data)


def by_requests() -> None:
    with requests.Session() as session:
        tell("requests", session.get(url, timeout=30).content, session.post(url, body, timeout=30).content)


def by_httpx() -> None:
    with httpx.Client(timeout=30, trust_env=False) as client:
        tell("httpx", client.get(url).content, client.post(url, content=body).content)


async def by_httpx_async() -> None:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        tell("httpx async", (await client.get(url)).content, (await client.post(url, content=body)).content)


async def by_aiohttp() -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as got:
            page = await got.read()
        async with session.post(url, data=body) as got:
            tell("aiohttp", page, await got.read())


by_http_client()
by_urllib()
by_urllib3()
by_requests()
by_httpx()
asyncio.run(by_httpx_async())
trio.run(by_httpx_async)
asyncio.run(by_aiohttp())
