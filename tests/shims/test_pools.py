"""The adapters and five links, four of them held by others: requests wait, idle connections give way."""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
import requests
import trio
import urllib3

import esp32sock
from esp32sock import socket
from esp32sock.shims.aiohttp import connector
from esp32sock.shims.httpx import async_transport, transport
from esp32sock.shims.requests import ModuleAdapter
from esp32sock.shims.urllib3 import PoolManager
from tests.e2e.support import HOST, PAGE, http_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esp32sock.net.interface_api import Interface


@pytest.fixture(scope="module")
def interface() -> Iterator[Interface]:
    with esp32sock.open_interface("sim://2.4", direct=(), server_links=1) as opened:
        yield opened


@pytest.fixture
def held(interface: Interface) -> Iterator[None]:
    """A listener with a client, which comes through the module too, and two UDP sockets: one link is left."""
    with interface.use(), ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("", 0)))
        station = interface.status().station_ip
        client = socket.create_connection((station, listener.getsockname()[1]))
        stack.enter_context(client)
        stack.enter_context(listener.accept()[0])
        for _ in range(2):
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("", 0))
        yield


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [f"http://{HOST}:{stack.enter_context(http_server())}/" for _ in range(3)]


def in_threads(get: Callable[[str], bytes], urls: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(get, urls * 3)) == [PAGE] * 3 * len(urls)
    for url in urls:
        assert get(url) == PAGE


@pytest.mark.usefixtures("held")
def test_blocking_adapters(interface: Interface, urls: list[str]) -> None:
    """All three keep connections open at the same time: each makes room for the others."""
    adapter = ModuleAdapter(interface=interface)
    with (
        requests.Session() as session,
        PoolManager(interface=interface) as pool,
        httpx.Client(transport=transport(interface), timeout=50) as client,
    ):
        session.mount("http://", adapter)
        session.trust_env = False
        in_threads(lambda url: session.get(url, timeout=50).content, urls)
        in_threads(lambda url: pool.request("GET", url).data, urls)
        in_threads(lambda url: client.get(url).content, urls)
        assert session.get(urls[0], timeout=50).content == PAGE


@pytest.mark.usefixtures("held")
def test_asynchronous_adapters(interface: Interface, urls: list[str]) -> None:
    async def together() -> None:
        async with (
            httpx.AsyncClient(transport=async_transport(interface), timeout=50) as client,
            aiohttp.ClientSession(connector=connector(interface)) as session,
        ):

            async def by_aiohttp(url: str) -> bytes:
                async with session.get(url) as answer:
                    return await answer.read()

            async def by_httpx(url: str) -> bytes:
                return (await client.get(url)).content

            for get in (by_aiohttp, by_httpx, by_aiohttp):
                assert await asyncio.gather(*map(get, urls * 3)) == [PAGE] * 3 * len(urls)

    async def in_trio() -> None:
        async with httpx.AsyncClient(transport=async_transport(interface), timeout=50) as client:

            async def get(url: str) -> None:
                assert (await client.get(url)).content == PAGE

            async with trio.open_nursery() as nursery:
                for url in urls * 2:
                    nursery.start_soon(get, url)

    asyncio.run(together())
    trio.run(in_trio)


@pytest.mark.usefixtures("held")
def test_what_is_in_use_does_not_give_way(interface: Interface, urls: list[str]) -> None:
    """A connection in the middle of its answer is left alone: the next one is told why it cannot be had."""
    with PoolManager(interface=interface, retries=False) as pool:
        answer = pool.request("GET", urls[0], preload_content=False)
        answer.read(100)
        with pytest.raises(
            urllib3.exceptions.NewConnectionError, match="links of the module are in use"
        ) as told:
            pool.request("GET", urls[1], timeout=0.5)
        assert getattr(told.value.__cause__, "errno", None) == errno.EMFILE
        assert 100 + len(answer.read()) == len(PAGE)
        answer.release_conn()
        assert pool.request("GET", urls[1], timeout=50).data == PAGE
