"""Our own adapters, default arguments: 12 requests together to one host, then 7 hosts one after the other.
All must succeed: the adapter knows that there are five links. The last row is a patched requests.Session,
12 together: it holds more than five links by itself, so what is wanted there is a clear error, not
success. Exit 0 if no adapter failed.
"""

import asyncio
import http.server
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import esp32sock


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(7)]
for each in servers:
    threading.Thread(target=each.serve_forever, daemon=True).start()
urls = [f"http://10.0.2.2:{each.server_port}/" for each in servers]
together = [urls[0]] * 12
failed = {}


def note(name, results):
    bad = [result for result in results if isinstance(result, BaseException)]
    failed[name] = len(bad)
    print(f"{name}: {len(bad)} of {len(results)} failed", repr(bad[0])[:120] if bad else "")


def threads(get, wanted, workers):
    def one(url):
        try:
            return get(url)
        except Exception as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, wanted))


def blocking(name, get):
    note(name + ", 12 together", threads(get, together, 12))
    note(name + ", 7 hosts in turn", threads(get, urls, 1))


async def asynchronous(name, get):
    note(name + ", 12 together", await asyncio.gather(*map(get, together), return_exceptions=True))
    for url in urls:
        note(name + ", a host of 7", await asyncio.gather(get(url), return_exceptions=True))
    note(name + ", 7 hosts together", await asyncio.gather(*map(get, urls), return_exceptions=True))


async def with_aiohttp(name, connector):
    import aiohttp

    async with aiohttp.ClientSession(connector=connector) as session:

        async def get(url):
            async with session.get(url, timeout=aiohttp.ClientTimeout(60)) as answer:
                return answer.status

        await asynchronous(name, get)


async def with_httpx(name, transport):
    import httpx

    async with httpx.AsyncClient(transport=transport, timeout=60) as client:

        async def get(url):
            return (await client.get(url)).status_code

        await asynchronous(name, get)


async def aiohttp_adapter():
    from esp32sock.shims.aiohttp import connector

    await with_aiohttp("aiohttp adapter", connector())


esp32sock.attach("sim://2.4")
import requests

from esp32sock.shims.httpx import async_transport
from esp32sock.shims.requests import ModuleAdapter
from esp32sock.shims.urllib3 import PoolManager

with requests.Session() as session:
    session.mount("http://", ModuleAdapter())
    blocking("requests adapter", lambda url: session.get(url, timeout=60).status_code)
with PoolManager() as pool:
    blocking("urllib3 adapter", lambda url: pool.request("GET", url, timeout=60).status)
asyncio.run(with_httpx("httpx adapter", async_transport()))
asyncio.run(aiohttp_adapter())
with esp32sock.patched(), requests.Session() as session:
    blocking("requests patched", lambda url: session.get(url, timeout=60).status_code)
sys.exit(any(count for name, count in failed.items() if "adapter" in name))
