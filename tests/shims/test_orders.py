"""patch() before and after the import of those that use sockets, each order in a process of its own."""

from __future__ import annotations

import pytest

from tests.shims.harness import run_child

BEFORE = """
import _socket, socket, socket as original, sys, types
from tests.net.fake_interface import FakeInterface
from esp32sock.net import context
def classes():
    found = [sys.modules[name]._SocketType for name in ["trio._socket"] if name in sys.modules]
    return [original.socket, *found]
def everything():
    modules = [m for m in list(sys.modules.values()) if isinstance(m, types.ModuleType)]
    places = [m for m in modules if not m.__name__.startswith(("esp32sock", "__main__"))] + classes()
    return {place: dict(vars(place)) for place in places}
def at_start():
    return {place: dict(vars(place)) for place in (original, _socket, original.socket)}
start = at_start()
"""

PATCH = """
from esp32sock.shims.monkey import patch, unpatch, _LOOK_UPS
before = everything()
fake = FakeInterface()
fake.names["peer.example"] = ["127.0.0.1"]
context.set_default_provider(lambda: fake)
patch()
"""

AFTER = """
unpatch()
now = at_start()
for place in start:
    assert start[place].keys() == now[place].keys()
    assert all(start[place][name] is now[place][name] for name in start[place])
now = everything()
looked_up = {id(function) for function in _LOOK_UPS.values()}
theirs = {id(value) for value in vars(_socket).values()} | {id(value) for value in vars(original).values()}
for place in before:
    for name, value in before[place].items():
        if id(value) in theirs or place in classes():
            assert now[place][name] is value, (place, name)
left = [(place, name) for place in now for name, value in now[place].items() if id(value) in looked_up]
assert not left, left
assert len(fake.opened) == LINKS, fake.opened
fake.close()
assert not fake.loop.failures, fake.loop.failures
"""

PROGRAMS = {
    "socket": (
        "from socket import *",
        """
listener = create_server(("127.0.0.1", 0))
with listener, create_connection(("peer.example", listener.getsockname()[1])) as client:
    accepted, _ = listener.accept()
    with accepted:
        client.sendall(b"x")
        assert accepted.recv(1) == b"x"
LINKS = 1
""",
    ),
    "ssl": (
        "import ssl, threading; from tests.shims.harness import contexts",
        """
server_context, client_context = contexts()
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    accepted, _ = listener.accept()
    with server_context.wrap_socket(accepted, server_side=True) as tls:
        tls.sendall(tls.recv(10))
thread = threading.Thread(target=serve)
thread.start()
with client_context.wrap_socket(socket.socket(), server_hostname="localhost") as tls:
    tls.connect(listener.getsockname())
    assert tls.getpeername() == listener.getsockname()
    tls.sendall(b"secret")
    assert tls.recv(10) == b"secret"
thread.join()
listener.close()
LINKS = 1
""",
    ),
    "asyncio": (
        "import asyncio",
        """
async def main():
    async def serve(reader, writer):
        writer.write(await reader.read(10))
        writer.close()
        await writer.wait_closed()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection("peer.example", server.sockets[0].getsockname()[1])
        writer.write(b"x")
        assert await reader.read(10) == b"x"
        writer.close()
        await writer.wait_closed()
asyncio.run(main())
LINKS = 1
""",
    ),
    "trio": (
        "import trio",
        """
async def main():
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as one, trio.socket.socket(
        type=trio.socket.SOCK_DGRAM
    ) as other:
        await one.bind(("127.0.0.1", 0))
        await other.bind(("127.0.0.1", 0))
        fake.settle()  # bind does not wait on a non-blocking socket: what is sent now might find no port
        await one.sendto(b"datagram", other.getsockname())
        assert await other.recvfrom(100) == (b"datagram", one.getsockname())
        await other.connect(one.getsockname())
        await other.send(b"back")
        assert await one.recv(100) == b"back"
    async with trio.open_nursery() as nursery:
        async def echo(stream):
            async for data in stream:
                await stream.send_all(data)
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        port = listeners[0].socket.getsockname()[1]
        async with await trio.open_tcp_stream("peer.example", port) as stream:
            await stream.send_all(b"stream")
            assert await stream.receive_some(100) == b"stream"
        nursery.cancel_scope.cancel()
trio.run(main)
LINKS = 1
""",
    ),
    "requests": (
        "import requests; from tests.shims.harness import http_server, PAGE",
        """
with http_server() as url, requests.Session() as session:
    url = url.replace("127.0.0.1", "peer.example")
    assert session.get(url).content == PAGE
    assert session.post(url, data=b"x" * 50000).content == b"x" * 50000
LINKS = 1
""",
    ),
    "names held by others": (
        "import types; sys.modules['early'] = types.ModuleType('early')\n"
        "exec('from socket import gethostbyname, getnameinfo as known', vars(sys.modules['early']))",
        """
assert sys.modules["early"].gethostbyname("peer.example") == "127.0.0.1"
late = sys.modules["late"] = types.ModuleType("late")
exec("from socket import *", vars(late))
assert late.gethostbyname_ex("peer.example")[2] == ["127.0.0.1"]
LINKS = 0
""",
    ),
    "aiohttp and httpx": (
        "import aiohttp, httpx, asyncio; from tests.shims.harness import http_server, PAGE",
        """
async def main(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert await answer.read() == PAGE
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).content == PAGE
with http_server() as url:
    asyncio.run(main(url.replace("127.0.0.1", "peer.example")))
    with httpx.Client(trust_env=False) as client:
        assert client.get(url).content == PAGE
LINKS = 3
""",
    ),
    "multiprocessing": (
        "import multiprocessing, multiprocessing.connection, threading",
        """
listener = multiprocessing.connection.Listener(("127.0.0.1", 0), authkey=b"key")
def serve():
    with listener.accept() as connection:
        connection.send(connection.recv())
thread = threading.Thread(target=serve)
thread.start()
with multiprocessing.connection.Client(listener.address, authkey=b"key") as connection:
    connection.send({"any": "object"})
    assert connection.recv() == {"any": "object"}
thread.join()
listener.close()
LINKS = 1
""",
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("order", ["patch first", "import first"])
def test_every_order_works_and_is_undone(program: str, order: str) -> None:
    imports, body = PROGRAMS[program]
    first, second = (PATCH, imports) if order == "patch first" else (imports, PATCH)
    run_child("\n".join([BEFORE, first, second, body, AFTER]))
