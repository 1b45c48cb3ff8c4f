"""The adapters: libraries that nobody patched, their connections opened through the module on request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
import requests
import trio
import urllib3

import esp32sock
from esp32sock.shims import aiohttp as aiohttp_shim
from esp32sock.shims import httpx as httpx_shim
from esp32sock.shims.requests import ModuleAdapter
from esp32sock.shims.urllib3 import PoolManager
from tests.e2e.support import HOST, PAGE, http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.net.verbs import Interface


@pytest.fixture
def url() -> Iterator[str]:
    with http_server() as port:
        yield f"http://{HOST}:{port}/"


@pytest.fixture
def interface() -> Iterator[Interface]:
    attached = esp32sock.attach("sim://", direct=())
    yield attached
    esp32sock.detach()


def test_urllib3(interface: Interface, url: str) -> None:
    with PoolManager() as pool:
        assert pool.request("GET", url, timeout=10).data == PAGE
    assert interface.stats()["links_opened"] == 1


def test_urllib3_says_what_fails_as_itself(interface: Interface) -> None:
    with PoolManager() as pool:
        with pytest.raises(urllib3.exceptions.NewConnectionError, match="refused"):
            pool.request("GET", f"http://{HOST}:1/", retries=False, timeout=10)
        with pytest.raises(urllib3.exceptions.NameResolutionError):
            pool.request("GET", "http://no-such-host.invalid/", retries=False, timeout=10)


def test_requests(interface: Interface, url: str) -> None:
    with requests.Session() as session:
        session.mount("http://", ModuleAdapter(interface=interface))
        for _ in range(3):
            assert session.get(url, timeout=10).content == PAGE
    assert interface.stats()["links_opened"] == 1


def test_httpx_blocking(interface: Interface, url: str) -> None:
    with httpx.Client(transport=httpx_shim.transport()) as client:
        assert client.get(url).content == PAGE
    with httpx.Client(transport=httpx_shim.transport()) as client, pytest.raises(httpx.ConnectError):
        client.get(f"http://{HOST}:1/")
    assert interface.stats()["links_opened"] == 1


async def fetch_with_httpx(url: str) -> bytes:
    async with httpx.AsyncClient(transport=httpx_shim.async_transport()) as client:
        return (await client.get(url)).content


def test_httpx_under_asyncio(interface: Interface, url: str) -> None:
    assert asyncio.run(fetch_with_httpx(url)) == PAGE
    assert interface.stats()["links_opened"] == 1


def test_httpx_under_trio(interface: Interface, url: str) -> None:
    assert trio.run(fetch_with_httpx, url) == PAGE
    assert interface.stats()["links_opened"] == 1


def test_aiohttp(interface: Interface, url: str) -> None:
    async def fetch() -> bytes:
        async with (
            aiohttp.ClientSession(connector=aiohttp_shim.connector()) as session,
            session.get(url) as response,
        ):
            return await response.read()

    assert asyncio.run(fetch()) == PAGE
    assert interface.stats()["links_opened"] == 1
