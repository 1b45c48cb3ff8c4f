"""SOCKS5 without I/O: tables of dialogues, cut at every place, and socksio as the opposite side."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import pytest
import socksio
from hypothesis import given
from hypothesis import strategies as st
from socksio.socks5 import SOCKS5AuthMethod, SOCKS5Command, SOCKS5Connection

from esp32sock.gateway.destination import Destination
from esp32sock.gateway.socks import (
    TRANSITIONS,
    Command,
    Credentials,
    Datagram,
    DatagramError,
    Input,
    Reply,
    Request,
    SocksServer,
    State,
    parse_datagram,
)

ALICE = Credentials("alice", "secret")
OPEN, NEEDS_PASSWORD = b"\x05\x01\x00", b"\x05\x02\x00\x02"
RIGHT, WRONG = b"\x01\x05alice\x06secret", b"\x01\x05alice\x06secreT"
IPV4 = b"\x01" + IPv4Address("10.0.2.2").packed + b"\x00\x50"
NAME = b"\x03\x09host.test\x01\xbb"
IPV6 = b"\x04" + IPv6Address("2001:db8::1").packed + b"\x00\x50"
MAPPED = b"\x04" + IPv6Address("::ffff:10.0.2.2").packed + b"\x00\x50"
UNSPECIFIED = b"\x04" + bytes(16) + b"\x00\x00"
CONNECT, BIND, ASSOCIATE = b"\x05\x01\x00", b"\x05\x02\x00", b"\x05\x03\x00"
WEB = Destination("10.0.2.2", 80)


def failed(reply: Reply) -> bytes:
    return bytes((5, reply, 0, 1)) + bytes(6)


@dataclass(frozen=True)
class Case:
    """What a client sends, and what becomes of it."""

    name: str
    sent: bytes
    state: State
    answer: bytes
    request: Request | None = None
    trailing: bytes = b""
    credentials: Credentials | None = None


CASES = [
    Case("nothing", b"", State.METHODS, b""),
    Case("half a greeting", b"\x05\x02\x00", State.METHODS, b""),
    Case("a greeting", OPEN, State.REQUEST, b"\x05\x00"),
    Case("no method at all", b"\x05\x00", State.CLOSED, b"\x05\xff"),
    Case("only passwords, where none is wanted", b"\x05\x01\x02", State.CLOSED, b"\x05\xff"),
    Case("no password, where one is wanted", OPEN, State.CLOSED, b"\x05\xff", credentials=ALICE),
    Case("GSSAPI alone", b"\x05\x01\x01", State.CLOSED, b"\x05\xff"),
    Case("SOCKS4", b"\x04\x01\x00\x50\x0a\x00\x02\x02\x00", State.CLOSED, b"\x00\x5b" + bytes(6)),
    Case("another version", b"\x47ET / HTTP/1.1\r\n", State.CLOSED, b""),
    Case("a password", NEEDS_PASSWORD + RIGHT, State.REQUEST, b"\x05\x02\x01\x00", credentials=ALICE),
    Case("a wrong one", NEEDS_PASSWORD + WRONG, State.CLOSED, b"\x05\x02\x01\x01", credentials=ALICE),
    Case(
        "an empty one", NEEDS_PASSWORD + b"\x01\x00\x00", State.CLOSED, b"\x05\x02\x01\x01", None, b"", ALICE
    ),
    Case(
        "no password message", NEEDS_PASSWORD + b"\x05", State.CLOSED, b"\x05\x02\x01\x01", None, b"", ALICE
    ),
    Case("an address", OPEN + CONNECT + IPV4, State.DECIDING, b"\x05\x00", Request(Command.CONNECT, WEB)),
    Case(
        "a name, and payload at once",
        OPEN + CONNECT + NAME + b"GET",
        State.DECIDING,
        b"\x05\x00",
        Request(Command.CONNECT, Destination("host.test", 443)),
        b"GET",
    ),
    Case(
        "IPv6",
        OPEN + CONNECT + IPV6,
        State.DECIDING,
        b"\x05\x00",
        Request(Command.CONNECT, Destination("2001:db8::1", 80)),
    ),
    Case(
        "a name that is IPv6",
        OPEN + CONNECT + b"\x03\x03::1\x00\x50",
        State.DECIDING,
        b"\x05\x00",
        Request(Command.CONNECT, Destination("::1", 80)),
    ),
    Case("IPv4 as IPv6", OPEN + CONNECT + MAPPED, State.DECIDING, b"\x05\x00", Request(Command.CONNECT, WEB)),
    Case("BIND", OPEN + BIND + IPV4, State.CLOSED, b"\x05\x00" + failed(Reply.COMMAND_NOT_SUPPORTED)),
    Case("command 9", OPEN + b"\x05\x09\x00" + IPV4, State.CLOSED, b"\x05\x00" + failed(Reply(7))),
    Case("address type 2", OPEN + CONNECT + b"\x02", State.CLOSED, b"\x05\x00" + failed(Reply(8))),
    Case("version 4 in a request", OPEN + b"\x04", State.CLOSED, b"\x05\x00" + failed(Reply.GENERAL_FAILURE)),
    Case("an empty name", OPEN + CONNECT + b"\x03\x00\x00\x50", State.CLOSED, b"\x05\x00" + failed(Reply(4))),
    Case(
        "a name with a NUL",
        OPEN + CONNECT + b"\x03\x03a\x00b\x00\x50",
        State.CLOSED,
        b"\x05\x00" + failed(Reply.HOST_UNREACHABLE),
    ),
    Case(
        "a name that is no text",
        OPEN + CONNECT + b"\x03\x02\xff\xfe\x00\x50",
        State.CLOSED,
        b"\x05\x00" + failed(Reply.HOST_UNREACHABLE),
    ),
    Case(
        "UDP from anywhere",
        OPEN + ASSOCIATE + UNSPECIFIED,
        State.DECIDING,
        b"\x05\x00",
        Request(Command.UDP_ASSOCIATE, Destination("::", 0)),
    ),
    Case(
        "UDP from a port",
        OPEN + ASSOCIATE + IPV4,
        State.DECIDING,
        b"\x05\x00",
        Request(Command.UDP_ASSOCIATE, WEB),
    ),
]


def after(case: Case, *pieces: bytes) -> tuple[SocksServer, bytes]:
    server, answer = SocksServer(case.credentials), b""
    for piece in pieces:
        server.receive(piece)
        answer += server.data_to_send()
    return server, answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_dialogue_cut_anywhere(case: Case) -> None:
    cuts = [[case.sent], [bytes((byte,)) for byte in case.sent]]
    cuts += [[case.sent[:at], case.sent[at:]] for at in range(1, len(case.sent))]
    for pieces in cuts:
        server, answer = after(case, *pieces)
        assert (server.state, answer, server.request) == (case.state, case.answer, case.request), pieces
        assert server.trailing == case.trailing
        assert bool(server.why_closed) == (case.state is State.CLOSED)


def test_every_transition_is_taken() -> None:
    """By a case above, or by the owner's decision below."""
    taken = {(state, what) for state, row in TRANSITIONS.items() for what in row}
    seen = {
        (State.DECIDING, Input.SUCCEEDED),
        (State.DECIDING, Input.FAILED),
    }
    for case in CASES:
        server = SocksServer(case.credentials)
        move = server._move

        def recorded(what: Input, server: SocksServer = server, move: object = move) -> None:
            seen.add((server.state, what))
            move(what)  # type: ignore[operator]

        server._move = recorded  # type: ignore[method-assign]
        server.receive(case.sent)
    assert seen == taken


def test_what_the_owner_decides() -> None:
    accepted, refused = SocksServer(), SocksServer()
    for server in (accepted, refused):
        server.receive(OPEN + CONNECT + IPV4)
        server.data_to_send()
    accepted.accept(Destination("10.0.2.15", 50000))
    assert accepted.data_to_send() == b"\x05\x00\x00\x01\x0a\x00\x02\x0f\xc3\x50"
    accepted.receive(b"payload")
    assert (accepted.state, accepted.trailing) == (State.ACCEPTED, b"payload")
    refused.refuse(Reply.CONNECTION_REFUSED, "nothing listens there")
    assert refused.data_to_send() == failed(Reply.CONNECTION_REFUSED)
    assert (refused.state, refused.why_closed) == (State.CLOSED, "nothing listens there")
    for server in (accepted, refused):
        with pytest.raises(KeyError):
            server.accept(WEB)


@given(st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_no_client_breaks_it(pieces: list[bytes], wants_password: bool) -> None:
    server = SocksServer(ALICE if wants_password else None)
    whole = SocksServer(ALICE if wants_password else None)
    for piece in pieces:
        server.receive(piece)
    whole.receive(b"".join(pieces))
    assert server.data_to_send() == whole.data_to_send()
    assert (server.state, server.request) == (whole.state, whole.request)
    if server.state is State.CLOSED:
        assert not server.trailing
        assert not server._received


@pytest.mark.parametrize("host", ["10.0.2.2", "host.test", "x" * 63 + ".test"])
@pytest.mark.parametrize("credentials", [None, ALICE])
def test_socksio_is_served(host: str, credentials: Credentials | None) -> None:
    client, server = SOCKS5Connection(), SocksServer(credentials)

    def exchange() -> object:
        server.receive(client.data_to_send())
        return client.receive_data(server.data_to_send())

    methods = [SOCKS5AuthMethod.NO_AUTH_REQUIRED, SOCKS5AuthMethod.USERNAME_PASSWORD]
    client.send(socksio.socks5.SOCKS5AuthMethodsRequest(methods))
    exchange()
    if credentials is not None:
        client.send(socksio.socks5.SOCKS5UsernamePasswordRequest(b"alice", b"secret"))
        assert getattr(exchange(), "success", False)
    client.send(socksio.socks5.SOCKS5CommandRequest.from_address(SOCKS5Command.CONNECT, (host, 80)))
    server.receive(client.data_to_send())
    assert server.request == Request(Command.CONNECT, Destination(host, 80))
    server.accept(Destination("10.0.2.15", 4711))
    reply = client.receive_data(server.data_to_send())
    assert (reply.addr, reply.port) == ("10.0.2.15", 4711)  # type: ignore[union-attr]


# -- datagrams


@given(st.ip_addresses(v=4), st.integers(0, 65535), st.binary(max_size=2000))
def test_a_datagram_there_and_back(host: IPv4Address, port: int, payload: bytes) -> None:
    datagram = Datagram(Destination(str(host), port), payload)
    assert parse_datagram(bytes(datagram)) == datagram


@given(st.binary(max_size=40))
def test_any_datagram_is_taken_or_refused(data: bytes) -> None:
    with suppress(DatagramError):
        assert data.endswith(parse_datagram(data).payload)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "whole header"),
        (b"\0\0\0", "whole header"),
        (b"\0\0\0" + IPV4[:-1], "whole header"),
        (b"\0\0\x01" + IPV4, "fragment"),
        (b"\0\0\x80" + IPV4, "fragment"),
        (b"\0\0\0" + IPV6, "for IPv4"),
        (b"\0\0\0\x05", "address type 5"),
        (b"\0\0\0\x03\x00\0\0", "empty"),
    ],
)
def test_a_datagram_that_is_dropped(data: bytes, why: str) -> None:
    with pytest.raises(DatagramError, match=why):
        parse_datagram(data)


def test_a_datagram_to_a_name() -> None:
    data = b"\0\0\0" + NAME + b"hello"
    assert parse_datagram(data) == Datagram(Destination("host.test", 443), b"hello")
    assert (
        bytes(Datagram(Destination("::1", 9), b"x"))
        == b"\0\0\0\x04" + bytes(15) + b"\1" + struct.pack("!H", 9) + b"x"
    )
