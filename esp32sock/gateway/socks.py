"""The server's side of SOCKS5 as a state machine: bytes in, bytes and a request out; no I/O and no clock.

`receive` takes what came, cut anywhere, and `data_to_send` gives what has to go out. Once `request` is there
the owner acts on it and calls `accept` or `refuse`; what the client sent behind its request is `trailing`. A
client that breaks the rules is answered with the code of RFC 1928 for it, and the state is then CLOSED.

Sources: RFC 1928 (SOCKS5), RFC 1929 (user name and password).
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from esp32sock.gateway.destination import Destination, DestinationError, host_from, host_of_ipv6

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = 5
SOCKS4 = 4
PASSWORD_VERSION = 1
NO_METHOD = 0xFF
SOCKS4_REFUSED = b"\x00\x5b" + bytes(6)
"""What a SOCKS4 server says for "rejected or failed"."""


class Method(IntEnum):
    """How a client says who it is."""

    NONE = 0
    PASSWORD = 2


class Command(IntEnum):
    """What a client asks for."""

    CONNECT = 1
    BIND = 2
    UDP_ASSOCIATE = 3


class AddressType(IntEnum):
    """How an address is written."""

    IPV4 = 1
    NAME = 3
    IPV6 = 4


_ADDRESS_BYTES = {AddressType.IPV4: 4, AddressType.IPV6: 16}


class Reply(IntEnum):
    """The outcome of a request (RFC 1928, section 6)."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    TTL_EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class State(Enum):
    METHODS = auto()  # the client is about to say which methods it has
    PASSWORD = auto()  # its name and password are awaited
    REQUEST = auto()  # its request is awaited
    DECIDING = auto()  # the request is there, the owner acts on it
    ACCEPTED = auto()  # answered with success: what follows is payload
    CLOSED = auto()  # answered with a failure: the connection ends


class Input(Enum):
    OPEN_METHOD = auto()  # a method without a password was chosen
    PASSWORD_METHOD = auto()
    NO_METHOD = auto()  # the client has none that is accepted
    PASSWORD_RIGHT = auto()
    PASSWORD_WRONG = auto()
    REQUESTED = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    MALFORMED = auto()


TRANSITIONS: Mapping[State, Mapping[Input, State]] = {
    State.METHODS: {
        Input.OPEN_METHOD: State.REQUEST,
        Input.PASSWORD_METHOD: State.PASSWORD,
        Input.NO_METHOD: State.CLOSED,
        Input.MALFORMED: State.CLOSED,
    },
    State.PASSWORD: {
        Input.PASSWORD_RIGHT: State.REQUEST,
        Input.PASSWORD_WRONG: State.CLOSED,
        Input.MALFORMED: State.CLOSED,
    },
    State.REQUEST: {Input.REQUESTED: State.DECIDING, Input.MALFORMED: State.CLOSED},
    State.DECIDING: {Input.SUCCEEDED: State.ACCEPTED, Input.FAILED: State.CLOSED},
    State.ACCEPTED: {},
    State.CLOSED: {},
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one name and password that a proxy accepts."""

    name: str
    password: str

    def match(self, name: bytes, password: bytes) -> bool:
        """Whether they are these, in a time that does not depend on how much of them is right."""
        name_is_right = hmac.compare_digest(name, self.name.encode())
        return hmac.compare_digest(password, self.password.encode()) and name_is_right


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for; for UDP the destination is where it will send from, as far as it knows."""

    command: Command
    destination: Destination


class _IncompleteError(Exception):
    """More bytes are needed."""


class _RefusedError(Exception):
    """The request cannot be had, whatever follows."""

    def __init__(self, reply: Reply, why: str) -> None:
        super().__init__(why)
        self.reply = reply


class _Reader:
    """Takes fields off the front of a buffer that may hold less than a message."""

    def __init__(self, buffer: bytes | bytearray | memoryview) -> None:
        self._buffer = bytes(buffer)
        self.taken = 0

    def take(self, size: int) -> bytes:
        field = self._buffer[self.taken : self.taken + size]
        if len(field) < size:
            raise _IncompleteError
        self.taken += size
        return field

    def byte(self) -> int:
        return self.take(1)[0]

    def counted(self) -> bytes:
        return self.take(self.byte())

    def address(self) -> Destination:
        """Address and port. A whole one is taken before it is judged; only an unknown type has no length."""
        number = self.byte()
        try:
            kind = AddressType(number)
        except ValueError:
            why = f"address type {number}"
            raise _RefusedError(Reply.ADDRESS_TYPE_NOT_SUPPORTED, why) from None
        raw = self.counted() if kind is AddressType.NAME else self.take(_ADDRESS_BYTES[kind])
        (port,) = struct.unpack("!H", self.take(2))
        if kind is AddressType.IPV4:
            return Destination(str(IPv4Address(raw)), port)
        try:
            host = host_from(raw) if kind is AddressType.NAME else host_of_ipv6(str(IPv6Address(raw)))
        except DestinationError as error:
            raise _RefusedError(Reply.HOST_UNREACHABLE, str(error)) from None
        return Destination(host, port)


class SocksServer:
    """One client of a SOCKS5 server."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._received = bytearray()
        self._to_send = bytearray()
        self.state = State.METHODS
        self.request: Request | None = None
        """What was asked for, from DECIDING on."""
        self.why_closed = ""
        """In words, once the state is CLOSED."""

    @property
    def trailing(self) -> bytes:
        """What the client sent behind its request."""
        return bytes(self._received) if self.state in (State.DECIDING, State.ACCEPTED) else b""

    def data_to_send(self) -> bytes:
        """What is to be sent to the client now; each byte once."""
        data = bytes(self._to_send)
        self._to_send.clear()
        return data

    def receive(self, data: bytes) -> None:
        """Take what the client sent. A message is at most 515 bytes, so little is kept before the request."""
        if self.state is State.CLOSED:
            return
        self._received += data
        while self.state in _MESSAGES:
            reader = _Reader(memoryview(self._received)[:_LONGEST_MESSAGE])
            try:
                _MESSAGES[self.state](self, reader)
            except _IncompleteError:
                return
            except _RefusedError as refused:
                self._fail(Input.MALFORMED, refused.reply, str(refused))
                return
            del self._received[: reader.taken]

    def accept(self, bound: Destination) -> None:
        """The request is carried out; `bound` is the address at this end of what was opened."""
        self._to_send += _reply(Reply.SUCCEEDED, bound)
        self._move(Input.SUCCEEDED)

    def refuse(self, reply: Reply, why: str = "") -> None:
        """The request cannot be carried out."""
        self._fail(Input.FAILED, reply, why)

    # -- one message each

    def _read_methods(self, reader: _Reader) -> None:
        version = reader.byte()
        if version == SOCKS4:
            self._close(Input.MALFORMED, SOCKS4_REFUSED, "SOCKS4, which is not spoken here: use SOCKS5")
            return
        if version != VERSION:
            self._close(Input.MALFORMED, b"", f"version {version}")
            return
        offered = reader.counted()
        wanted = Method.NONE if self._credentials is None else Method.PASSWORD
        if wanted not in offered:
            why = "a password is needed" if self._credentials else "the client insists on a password"
            self._close(Input.NO_METHOD, bytes((VERSION, NO_METHOD)), why)
            return
        self._to_send += bytes((VERSION, wanted))
        self._move(Input.OPEN_METHOD if wanted is Method.NONE else Input.PASSWORD_METHOD)

    def _read_password(self, reader: _Reader) -> None:
        wrong = bytes((PASSWORD_VERSION, 1))
        if reader.byte() != PASSWORD_VERSION:
            self._close(Input.MALFORMED, wrong, "a message that is no name and password")
            return
        name, password = reader.counted(), reader.counted()
        assert self._credentials is not None
        if not self._credentials.match(name, password):
            self._close(Input.PASSWORD_WRONG, wrong, "wrong name or password")
            return
        self._to_send += bytes((PASSWORD_VERSION, 0))
        self._move(Input.PASSWORD_RIGHT)

    def _read_request(self, reader: _Reader) -> None:
        version = reader.byte()
        if version != VERSION:
            raise _RefusedError(Reply.GENERAL_FAILURE, f"version {version} in a request")
        number = reader.byte()
        reader.byte()  # reserved
        destination = reader.address()
        if number not in (Command.CONNECT, Command.UDP_ASSOCIATE):
            raise _RefusedError(Reply.COMMAND_NOT_SUPPORTED, f"command {number}")
        self.request = Request(Command(number), destination)
        self._move(Input.REQUESTED)

    # -- ends

    def _fail(self, what: Input, reply: Reply, why: str) -> None:
        self._close(what, _reply(reply, Destination("0.0.0.0", 0)), why)

    def _close(self, what: Input, answer: bytes, why: str) -> None:
        self._to_send += answer
        self.why_closed = why
        self._received.clear()
        self._move(what)

    def _move(self, what: Input) -> None:
        self.state = TRANSITIONS[self.state][what]


_LONGEST_MESSAGE = 515
"""Of a name and password: two counted texts, two counts and a version."""

_MESSAGES: Mapping[State, Callable[[SocksServer, _Reader], None]] = {
    State.METHODS: SocksServer._read_methods,
    State.PASSWORD: SocksServer._read_password,
    State.REQUEST: SocksServer._read_request,
}


def _reply(reply: Reply, bound: Destination) -> bytes:
    return bytes((VERSION, reply, 0)) + _address(bound)


def _address(address: Destination) -> bytes:
    """A numeric address and port."""
    port = struct.pack("!H", address.port)
    if address.is_ipv6:
        return bytes((AddressType.IPV6,)) + IPv6Address(address.host).packed + port
    return bytes((AddressType.IPV4,)) + IPv4Address(address.host).packed + port


# -- datagrams (RFC 1928, section 7)


LONGEST_DATAGRAM = 65535


class DatagramError(ValueError):
    """A datagram that is dropped; the text says why."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """A payload, and where it goes to or comes from."""

    address: Destination
    payload: bytes

    def __bytes__(self) -> bytes:
        return bytes(3) + _address(self.address) + self.payload


def parse_datagram(data: bytes) -> Datagram:
    """What a client sent to the relay; DatagramError for fragments, IPv6 and what has no whole header."""
    reader = _Reader(data)
    try:
        reader.take(2)  # reserved
        if reader.byte():
            raise DatagramError("a fragment, which this relay does not put together")
        address = reader.address()
    except _IncompleteError:
        raise DatagramError("a datagram without a whole header") from None
    except _RefusedError as refused:
        raise DatagramError(str(refused)) from None
    if address.is_ipv6:
        raise DatagramError(f"{address}: a relay of datagrams is for IPv4")
    return Datagram(address, data[reader.taken :])
