"""Clients of a proxy, honest and lying, in virtual time: what they are answered, and when they are left."""

from __future__ import annotations

import base64
import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from esp32sock.gateway.accepting import accept_clients
from esp32sock.gateway.connection import Connection
from esp32sock.gateway.http_session import serve_http
from esp32sock.gateway.http_side import LONGEST_HEADERS
from esp32sock.gateway.limits import Limits
from esp32sock.gateway.proxy import Protocols, serve_by_first_byte
from esp32sock.gateway.socks import Credentials, Reply
from esp32sock.gateway.socks_session import serve_socks
from tests.gateway.harness import LIMITS, Bench, read_to_end, read_until, served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from trio.testing import MockClock

ALICE = Credentials("alice", "secret")
BOTH = Protocols(serve_socks, serve_http)
GREETING = b"\x05\x01\x00"
GET = b"GET http://host.test/page HTTP/1.1\r\nHost: host.test\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"


def connect_to(name: str) -> bytes:
    return b"\x05\x01\x00\x03" + bytes((len(name),)) + name.encode() + b"\x00\x50"


def proxy(bench: Bench, credentials: Credentials | None = None) -> Callable[[Connection], Awaitable[None]]:
    return lambda client: serve_by_first_byte(bench.gateway, client, BOTH, credentials)


# -- SOCKS


async def test_a_tunnel_by_socks(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(GREETING + connect_to("host.test") + b"early ")
        server = await bench.network.servers.receive()
        await client.send_all(b"bytes")
        assert await read_until(client, bytes(6)) == b"\x05\x00\x05\x00\x00\x01" + bytes(6)
        assert await read_until(server, b"bytes") == b"early bytes"
        await server.send_all(b"answer")
        await server.aclose()
        assert await read_to_end(client) == b"answer"
    assert bench.network.asked == [("host.test", 80)]
    assert bench.said() == ["connected", "closed"]
    assert (bench.gateway.counters.bytes_sent, bench.gateway.counters.bytes_received) == (11, 6)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (OSError(errno.ECONNREFUSED, "refused"), Reply.CONNECTION_REFUSED),
        (OSError(errno.EMFILE, "all links in use"), Reply.GENERAL_FAILURE),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Reply.HOST_UNREACHABLE),
    ],
)
async def test_a_failure_has_its_reply(autojump_clock: MockClock, error: OSError, reply: Reply) -> None:
    bench = Bench()
    bench.network.errors["host.test"] = error
    async with served(proxy(bench)) as client:
        await client.send_all(GREETING + connect_to("host.test"))
        assert await read_to_end(client) == b"\x05\x00\x05" + bytes((reply, 0, 1)) + bytes(6)
    assert bench.said() == ["refused"]
    assert bench.events[0].error == error.strerror


async def test_a_connection_that_takes_too_long(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.network.hangs = True
    async with served(proxy(bench)) as client:
        await client.send_all(GREETING + connect_to("host.test"))
        answer = await read_until(client, bytes(6))
        assert answer[3] == Reply.TTL_EXPIRED
    assert trio.current_time() == pytest.approx(LIMITS.connect_s)
    assert bench.network.given_up == 1


async def test_a_client_that_leaves_gives_its_connection_up(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.network.hangs = True
    async with served(proxy(bench)) as client:
        await client.send_all(GREETING + connect_to("host.test"))
        await trio.sleep(3)
        client.socket.close()
    assert trio.current_time() == pytest.approx(3)
    assert (bench.network.given_up, bench.said()) == (1, ["refused"])


async def test_a_client_that_dribbles_its_request(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        dribbled = 0
        with suppress(trio.BrokenResourceError):
            for byte in GREETING + connect_to("host.test"):
                await client.send_all(bytes((byte,)))
                await trio.sleep(1)
                dribbled += 1
    assert dribbled < len(connect_to("host.test"))
    assert trio.current_time() == pytest.approx(LIMITS.handshake_s, abs=1.1)
    assert not bench.network.asked


async def test_a_client_that_says_nothing(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        assert await read_to_end(client) == b""
    assert trio.current_time() == pytest.approx(LIMITS.handshake_s)


@pytest.mark.parametrize(
    "sent", [b"\x04\x01\x00\x50", GREETING + b"\x05\x02\x00\x01" + bytes(6), b"\x05\x00"]
)
async def test_a_client_that_is_refused_reads_why(autojump_clock: MockClock, sent: bytes) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(sent + bytes(5000))
        assert await read_to_end(client)
    assert bench.said() == ["refused"]
    assert trio.current_time() <= LIMITS.linger_s


async def test_udp_without_a_link(autojump_clock: MockClock) -> None:
    bench = Bench()
    ours, theirs = trio.socket.socketpair()
    with ours, theirs:
        listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
        client = await trio.open_tcp_stream(*listener[0].socket.getsockname())
        accepted = await listener[0].accept()
        await listener[0].aclose()
        async with client, trio.open_nursery() as nursery:
            nursery.start_soon(proxy(bench), Connection(accepted.socket))
            await client.send_all(GREETING + b"\x05\x03\x00\x01" + bytes(6))
            assert (await read_until(client, bytes(6)))[3] == Reply.GENERAL_FAILURE
            await client.send_eof()


# -- HTTP


async def answered(bench: Bench, request: bytes, credentials: Credentials | None = None) -> bytes:
    """What the proxy itself says to a request."""
    async with served(proxy(bench, credentials)) as client:
        await client.send_all(request)
        return await read_to_end(client)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET https://host.test/ HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"CONNECT host.test HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET http://host.test/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://host.test/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", 501),
        (b"GET http://" + b"x" * (LONGEST_HEADERS + 5000), 431),
        (b"GET http://refused.test/ HTTP/1.1\r\nHost: x\r\n\r\n", 502),
        (b"HEAD http://refused.test/ HTTP/1.1\r\nHost: x\r\n\r\n", 502),
        (b"CONNECT slow.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", 504),
        (b"GET http://busy.test/ HTTP/1.0\r\n\r\n", 503),
    ],
)
async def test_an_answer_of_the_proxy(autojump_clock: MockClock, request_line: bytes, status: int) -> None:
    bench = Bench()
    bench.network.errors = {
        "refused.test": OSError(errno.ECONNREFUSED, "nothing listens there"),
        "slow.test": OSError(errno.ETIMEDOUT, "no answer"),
        "busy.test": OSError(errno.EMFILE, "all links are in use"),
    }
    answer = await answered(bench, request_line)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head.lower()
    assert body.startswith(b"esp32sock: ") != request_line.startswith(b"HEAD")
    assert bench.said() == ["refused"]


async def test_a_name_and_password_are_asked_for(autojump_clock: MockClock) -> None:
    bench = Bench()
    answer = await answered(bench, GET, ALICE)
    assert answer.startswith(b"HTTP/1.1 407 ")
    assert b"proxy-authenticate: basic" in answer.lower()
    proof = b"Proxy-Authorization: Basic " + base64.b64encode(b"alice:secret")
    async with served(proxy(bench, ALICE)) as client:
        await client.send_all(GET.replace(b"\r\n\r\n", b"\r\n" + proof + b"\r\n\r\n"))
        server = await bench.network.servers.receive()
        assert b"secret" not in (seen := await read_until(server, b"\r\n\r\n"))
        assert base64.b64encode(b"alice:secret") not in seen
        await server.send_all(PAGE)
        assert (await read_until(client, b"page")).startswith(b"HTTP/1.1 200 OK")
        await server.aclose()


async def test_a_slow_request_is_told_so(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(GET[:-2])
        assert (await read_to_end(client)).startswith(b"HTTP/1.1 408 ")
    assert trio.current_time() == pytest.approx(LIMITS.handshake_s)


async def test_one_client_connection_for_many_requests(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        for number in range(3):
            await client.send_all(GET)
            server = await bench.network.servers.receive()
            assert await read_until(server, b"\r\n\r\n") == (
                b"GET /page HTTP/1.1\r\nHost: host.test\r\nVia: 1.1 esp32sock\r\nConnection: close\r\n\r\n"
            )
            await server.send_all(PAGE)
            await server.aclose()
            head, _, body = (await read_until(client, b"page")).partition(b"\r\n\r\n")
            assert (head[:15], body) == (b"HTTP/1.1 200 OK", b"page"), number
            assert b"close" not in head
        began = trio.current_time()
        assert await read_to_end(client) == b""
        assert trio.current_time() - began == pytest.approx(LIMITS.keepalive_s)
    assert bench.said() == ["connected", "closed"] * 3


async def test_two_requests_at_once_are_answered_in_turn(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(GET + GET.replace(b"page", b"other"))
        for path in (b"/page", b"/other"):
            server = await bench.network.servers.receive()
            assert (await read_until(server, b"\r\n\r\n")).startswith(b"GET " + path)
            await server.send_all(PAGE)
            await server.aclose()
        assert (await read_until(client, b"page")).count(b"200 OK") >= 1


async def test_a_tunnel_by_http(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(b"CONNECT host.test:443 HTTP/1.1\r\nHost: host.test:443\r\n\r\nearly")
        server = await bench.network.servers.receive()
        assert await read_until(client, b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        assert await read_until(server, b"early") == b"early"
        await client.send_eof()
        assert await read_to_end(server) == b""
        await server.send_all(b"late")
        await server.aclose()
        assert await read_to_end(client) == b"late"
    assert bench.network.asked == [("host.test", 443)]


async def test_a_request_byte_by_byte(autojump_clock: MockClock) -> None:
    """However it is cut, the server sees the same, and what stands behind it goes to the server too."""
    bench = Bench()
    head = b"CONNECT host.test:443 HTTP/1.1\r\nHost: host.test:443\r\n\r\n"
    for at in range(1, len(head)):
        async with served(proxy(bench)) as client:
            await client.send_all(head[:at])
            await trio.testing.wait_all_tasks_blocked()
            await client.send_all(head[at:] + b"early")
            server = await bench.network.servers.receive()
            assert await read_until(server, b"early") == b"early"
            await server.aclose()
            assert (await read_to_end(client)).startswith(b"HTTP/1.1 200 ")
    async with served(proxy(bench)) as client:
        for byte in GET:
            await client.send_all(bytes((byte,)))
            await trio.testing.wait_all_tasks_blocked()
        server = await bench.network.servers.receive()
        assert (await read_until(server, b"\r\n\r\n")).startswith(b"GET /page HTTP/1.1\r\n")
        await server.send_all(PAGE)
        await server.aclose()
        assert (await read_until(client, b"page")).startswith(b"HTTP/1.1 200 OK")


async def test_an_upload_that_waits_for_leave(autojump_clock: MockClock) -> None:
    bench = Bench()
    head = GET.replace(b"GET", b"POST")[:-2] + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    async with served(proxy(bench)) as client:
        await client.send_all(head)
        server = await bench.network.servers.receive()
        assert b"Expect: 100-continue" in await read_until(server, b"\r\n\r\n")
        await server.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert (await read_until(client, b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await client.send_all(b"hello")
        assert await read_until(server, b"hello") == b"hello"
        await server.send_all(PAGE)
        await server.aclose()
        assert (await read_until(client, b"page")).startswith(b"HTTP/1.1 200")
    assert bench.gateway.counters.bytes_sent == 5


async def test_an_answer_without_a_length_to_an_old_client(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(b"GET http://host.test/ HTTP/1.0\r\n\r\n")
        server = await bench.network.servers.receive()
        await read_until(server, b"\r\n\r\n")
        await server.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n")
        head, _, body = (await read_to_end(client)).partition(b"\r\n\r\n")
        await server.aclose()
    assert body == b"page"
    assert b"chunked" not in head


@pytest.mark.parametrize(
    "cut", [PAGE[:-1], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n"]
)
async def test_an_answer_that_breaks_off_is_no_end(autojump_clock: MockClock, cut: bytes) -> None:
    bench = Bench()
    resets: list[bool] = []

    async def serve(client: Connection) -> None:
        await serve_http(bench.gateway, client, None)
        resets.append(client.was_reset)  # type: ignore[attr-defined]

    async with served(serve) as client:
        await client.send_all(GET)
        server = await bench.network.servers.receive()
        await server.send_all(cut)
        await server.send_eof()
        await read_to_end(client)
        await server.aclose()
    assert resets == [True]
    assert bench.said() == ["connected", "broken"]


@pytest.mark.parametrize("answer", [b"", b"\x05\x00 nonsense\r\n\r\n"])
async def test_a_server_that_does_not_speak_http(autojump_clock: MockClock, answer: bytes) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(GET)
        server = await bench.network.servers.receive()
        await server.send_all(answer)
        await server.send_eof()
        assert (await read_to_end(client)).startswith(b"HTTP/1.1 502 ")
        await server.aclose()
    assert bench.said() == ["connected", "broken"]


async def test_an_answer_before_the_whole_upload(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with served(proxy(bench)) as client:
        await client.send_all(GET.replace(b"GET", b"PUT")[:-2] + b"Content-Length: 1000000\r\n\r\nbegin")
        server = await bench.network.servers.receive()
        await read_until(server, b"begin")
        await server.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await server.aclose()
        assert (await read_until(client, b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        assert await read_to_end(client) == b""


# -- both


@pytest.mark.parametrize(
    ("protocols", "first"),
    [(Protocols(), b"GET / HTTP/1.1\r\n"), (Protocols(None, serve_http), GREETING)],
)
async def test_one_protocol_alone(autojump_clock: MockClock, protocols: Protocols, first: bytes) -> None:
    bench = Bench()
    async with served(lambda client: serve_by_first_byte(bench.gateway, client, protocols, None)) as client:
        await client.send_all(first)
        assert await read_to_end(client) == b""
    assert bench.said() == ["refused"]


async def test_only_so_many_clients_at_a_time(autojump_clock: MockClock, tmp_path: Path) -> None:
    """One more waits in the backlog until another has left; one whose serving fails takes no place."""
    bench = Bench(Limits(clients=2))
    here, most = 0, 0

    async def serve(client: Connection) -> None:
        nonlocal here, most
        here += 1
        most = max(most, here)
        try:
            if await client.receive() == b"bad":
                raise LookupError("a fault of the server's own")
        finally:
            here -= 1

    with trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.bind(str(tmp_path / "listener"))
        sock.listen(10)
        name = sock.getsockname()
        async with trio.open_nursery() as nursery:
            room = trio.Semaphore(bench.gateway.limits.clients)
            nursery.start_soon(accept_clients, bench.gateway, trio.SocketListener(sock), serve, room)
            clients = [trio.socket.socket(socket.AF_UNIX) for _ in range(5)]
            for client in clients:
                await client.connect(name)
            await trio.testing.wait_all_tasks_blocked()
            assert bench.gateway.counters.clients == 2
            for client, text in zip(clients, (b"bad", b"x", b"x", b"bad", b"x"), strict=True):
                with client:
                    await client.send(text)
                    await trio.testing.wait_all_tasks_blocked()
            assert (bench.gateway.counters.clients, most, here) == (5, 2, 0)
            nursery.cancel_scope.cancel()
