"""The adapters: libraries that nobody patched, their connections opened through the module on request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import trio
import urllib3

import esp32sock
from esp32sock.shims import aiohttp as aiohttp_shim
from esp32sock.shims import explicit
from esp32sock.shims import httpx as httpx_shim
from esp32sock.shims.requests import ModuleAdapter
from esp32sock.shims.urllib3 import PoolManager
from esp32sock.trio import open_interface
from tests.e2e.support import HOST, PAGE, http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.net.interface_api import Interface


@pytest.fixture
def url() -> Iterator[str]:
    with http_server() as port:
        yield f"http://{HOST}:{port}/"


@pytest.fixture(scope="module")
def attached() -> Iterator[Interface]:
    yield esp32sock.attach("sim://", direct=())
    esp32sock.detach()


@dataclass
class Opened:
    """The interface, and how many links it has opened for this test."""

    interface: Interface
    before: int

    def __call__(self) -> int:
        return self.interface.stats()["links_opened"] - self.before


@pytest.fixture
def links(attached: Interface) -> Opened:
    return Opened(attached, attached.stats()["links_opened"])


def test_urllib3(links: Opened, url: str) -> None:
    with PoolManager() as pool:
        assert pool.request("GET", url, timeout=10).data == PAGE
    assert links() == 1


def test_urllib3_says_what_fails_as_itself(links: Opened) -> None:
    with PoolManager() as pool:
        with pytest.raises(urllib3.exceptions.NewConnectionError, match="refused"):
            pool.request("GET", f"http://{HOST}:1/", retries=False, timeout=10)
        with pytest.raises(urllib3.exceptions.NameResolutionError):
            pool.request("GET", "http://no-such-host.invalid/", retries=False, timeout=10)


def test_requests(links: Opened, url: str) -> None:
    with requests.Session() as session:
        session.mount("http://", ModuleAdapter(interface=links.interface))
        for _ in range(3):
            assert session.get(url, timeout=10).content == PAGE
    assert links() == 1


def test_httpx_blocking(links: Opened, url: str) -> None:
    with httpx.Client(transport=httpx_shim.transport()) as client:
        assert client.get(url).content == PAGE
    with httpx.Client(transport=httpx_shim.transport()) as client, pytest.raises(httpx.ConnectError):
        client.get(f"http://{HOST}:1/")
    assert links() == 1


async def fetch_with_httpx(url: str) -> bytes:
    async with httpx.AsyncClient(transport=httpx_shim.async_transport()) as client:
        return (await client.get(url)).content


def test_httpx_under_asyncio(links: Opened, url: str) -> None:
    assert asyncio.run(fetch_with_httpx(url)) == PAGE
    assert links() == 1


def test_httpx_under_trio(links: Opened, url: str) -> None:
    assert trio.run(fetch_with_httpx, url) == PAGE
    assert links() == 1


# ---- httpx's own options


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked for, as it stood in the request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *args: object) -> None:
        pass


def get_blocking(urls: list[str], **options: Any) -> list[bytes]:
    with httpx.Client(transport=httpx_shim.transport(**options)) as client:
        return [client.get(url).content for url in urls]


async def get_all(urls: list[str], **options: Any) -> list[bytes]:
    async with httpx.AsyncClient(transport=httpx_shim.async_transport(**options)) as client:
        return [(await client.get(url)).content for url in urls]


def get_under_asyncio(urls: list[str], **options: Any) -> list[bytes]:
    return asyncio.run(get_all(urls, **options))


def test_httpx_over_an_interface_of_trio(url: str) -> None:
    async def fetch() -> bytes:
        async with open_interface("sim://") as interface:
            async with httpx.AsyncClient(transport=httpx_shim.async_transport(interface)) as client:
                content = (await client.get(url)).content
            assert interface.stats()["links_opened"] == 1
            return content

    assert trio.run(fetch) == PAGE


def get_under_trio(urls: list[str], **options: Any) -> list[bytes]:
    return trio.run(partial(get_all, urls, **options))


everywhere = pytest.mark.parametrize("get", [get_blocking, get_under_asyncio, get_under_trio])
Get = Callable[..., list[bytes]]


@everywhere
def test_httpx_keeps_its_limits(links: Opened, url: str, get: Get) -> None:
    assert get([url, url], limits=httpx.Limits(max_connections=1, max_keepalive_connections=0)) == [PAGE] * 2
    assert links() == 2
    assert get([url, url]) == [PAGE] * 2
    assert links() == 3


@everywhere
def test_httpx_keeps_its_retries(links: Opened, url: str, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[OSError] = []

    def connect(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return explicit.connect(*arguments)

    monkeypatch.setattr(httpx_shim, "connect", connect)
    failures.append(ConnectionRefusedError("not yet"))
    assert get([url], retries=1) == [PAGE]
    failures.append(ConnectionRefusedError("not yet"))
    with pytest.raises(httpx.ConnectError, match="not yet"):
        get([url])


@everywhere
def test_httpx_keeps_its_proxy_which_is_reached_through_the_module(links: Opened, get: Get) -> None:
    with http_server(Echo) as port:
        asked = "http://nobody.invalid/page"
        assert get([asked], proxy=f"http://{HOST}:{port}") == [asked.encode()]
    assert links() == 1


@everywhere
def test_httpx_keeps_its_local_address(links: Opened, url: str, get: Get) -> None:
    own = links.interface.status().station_ip
    assert get([url], local_address=own) == [PAGE]
    with pytest.raises(httpx.ConnectError, match=f"the module has the address {own}"):
        get([url], local_address="192.0.2.1")


@everywhere
def test_httpx_keeps_its_socket_options(links: Opened, url: str, get: Get) -> None:
    with pytest.raises(httpx.ConnectError, match="does not support IP_OPTIONS"):
        get([url], socket_options=[(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")])


@everywhere
def test_httpx_has_no_unix_sockets_there(links: Opened, url: str, get: Get) -> None:
    with pytest.raises(ValueError, match="Unix socket"):
        get([url], uds="/run/socket")


def test_an_httpx_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: object())
    with pytest.raises(RuntimeError, match="this version"):
        httpx_shim.transport()


def test_aiohttp(links: Opened, url: str) -> None:
    async def fetch() -> bytes:
        async with (
            aiohttp.ClientSession(connector=aiohttp_shim.connector()) as session,
            session.get(url) as response,
        ):
            return await response.read()

    assert asyncio.run(fetch()) == PAGE
    assert links() == 1


@pytest.mark.parametrize(
    ("family", "fails"), [(socket.AF_UNSPEC, False), (socket.AF_INET, False), (socket.AF_INET6, True)]
)
def test_aiohttp_keeps_its_family(
    links: Opened, url: str, family: socket.AddressFamily, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch() -> bytes:
        connector = aiohttp_shim.connector(links.interface, family=family)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url.replace(HOST, "localhost")) as response,
        ):
            return await response.read()

    if fails:
        with pytest.raises(aiohttp.ClientConnectorDNSError, match="IPv6 is off"):
            asyncio.run(fetch())
    else:
        assert asyncio.run(fetch()) == PAGE
