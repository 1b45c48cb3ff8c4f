"""Socket options: what reaches the module, what is only stored and read back, and what is refused.

The kernel refuses IP and TCP options on the AF_UNIX descriptors under our sockets, so all are kept here.
Libraries set many options out of habit; those that cannot change what a program sees are stored. An option
that would change it, and cannot be had from an ESP32, is refused with ENOPROTOOPT, which libraries expect.
"""

from __future__ import annotations

import _socket
import errno
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING

from esp32sock.net.error_map import os_error
from esp32sock.net.interface_api import StreamOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

Option = tuple[int, int]

_INT = struct.Struct("i")
_LINGER = struct.Struct("ii")  # struct linger: on, seconds
_TIMEVAL = struct.Struct("ll")  # struct timeval: seconds, microseconds

LONGEST_KEEPALIVE_S = 7200  # AT+CIPSTART, <keep_alive>


def _known(level: int, defaults: Mapping[str, int]) -> dict[Option, bytes]:
    """Options of a level that this interpreter knows, with what they read as before they are set."""
    return {
        (level, getattr(_socket, name)): _INT.pack(default)
        for name, default in defaults.items()
        if hasattr(_socket, name)
    }


KEEPALIVE = (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE)
KEEPIDLE = (_socket.IPPROTO_TCP, _socket.TCP_KEEPIDLE)
NODELAY = (_socket.IPPROTO_TCP, _socket.TCP_NODELAY)
LINGER = (_socket.SOL_SOCKET, _socket.SO_LINGER)
SNDTIMEO = (_socket.SOL_SOCKET, _socket.SO_SNDTIMEO)
RCVTIMEO = (_socket.SOL_SOCKET, _socket.SO_RCVTIMEO)
SNDBUF = (_socket.SOL_SOCKET, _socket.SO_SNDBUF)
RCVBUF = (_socket.SOL_SOCKET, _socket.SO_RCVBUF)
BROADCAST = (_socket.SOL_SOCKET, _socket.SO_BROADCAST)
BINDTODEVICE = (_socket.SOL_SOCKET, _socket.SO_BINDTODEVICE)
V6ONLY = (_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY)

# Given to the module with the link, or when they change on an open one.
HONOURED = frozenset({KEEPALIVE, KEEPIDLE, NODELAY, LINGER, SNDTIMEO})

# These live in the kernel, on the descriptor itself.
NATIVE = frozenset({SNDBUF, RCVBUF, RCVTIMEO, SNDTIMEO})

_MEMBERSHIPS = frozenset(
    (_socket.IPPROTO_IPV6 if name.startswith("IPV6") else _socket.IPPROTO_IP, getattr(_socket, name))
    for name in (
        "IP_ADD_MEMBERSHIP", "IP_DROP_MEMBERSHIP", "IP_ADD_SOURCE_MEMBERSHIP", "IP_DROP_SOURCE_MEMBERSHIP",
        "IP_BLOCK_SOURCE", "IP_UNBLOCK_SOURCE", "IPV6_JOIN_GROUP", "IPV6_LEAVE_GROUP",
    )
    if hasattr(_socket, name)
)  # fmt: skip

# What can be set and read back. The numbers are what Linux answers on a new socket.
STORED: Mapping[Option, bytes] = MappingProxyType(
    {
        **_known(
            _socket.SOL_SOCKET,
            {
                "SO_KEEPALIVE": 0,
                "SO_REUSEADDR": 0,
                "SO_REUSEPORT": 0,
                "SO_BROADCAST": 0,
                "SO_OOBINLINE": 0,
                "SO_DONTROUTE": 0,
                "SO_DEBUG": 0,
                "SO_PRIORITY": 0,
                "SO_MARK": 0,
                "SO_RCVLOWAT": 1,
                "SO_SNDLOWAT": 1,
                "SO_INCOMING_CPU": -1,
            },
        ),
        **_known(
            _socket.IPPROTO_TCP,
            {
                "TCP_NODELAY": 0,
                "TCP_KEEPIDLE": 7200,
                "TCP_KEEPINTVL": 75,
                "TCP_KEEPCNT": 9,
                "TCP_MAXSEG": 1460,
                "TCP_CORK": 0,
                "TCP_QUICKACK": 1,
                "TCP_USER_TIMEOUT": 0,
                "TCP_DEFER_ACCEPT": 0,
                "TCP_SYNCNT": 6,
                "TCP_LINGER2": 60,
                "TCP_WINDOW_CLAMP": 0,
                "TCP_NOTSENT_LOWAT": 0,
            },
        ),
        **_known(
            _socket.IPPROTO_IP,
            {
                "IP_TTL": 64,
                "IP_TOS": 0,
                "IP_MULTICAST_TTL": 1,
                "IP_MULTICAST_LOOP": 1,
                "IP_MULTICAST_IF": 0,
                "IP_MTU_DISCOVER": 1,
                "IP_BIND_ADDRESS_NO_PORT": 0,
            },
        ),
        LINGER: _LINGER.pack(0, 0),
        BINDTODEVICE: b"",
    }
)

# The same at the level of IPv6, which AF_INET6 sockets alone have.
STORED_V6: Mapping[Option, bytes] = MappingProxyType(
    _known(
        _socket.IPPROTO_IPV6,
        {
            "IPV6_V6ONLY": 0,
            "IPV6_UNICAST_HOPS": 64,
            "IPV6_MULTICAST_HOPS": 1,
            "IPV6_MULTICAST_LOOP": 1,
            "IPV6_MULTICAST_IF": 0,
            "IPV6_TCLASS": 0,
            "IPV6_DONTFRAG": 0,
        },
    )
)


class SocketOptions:
    """The options of one socket."""

    def __init__(self, family: int = _socket.AF_INET) -> None:
        self._family = family
        self._stored = {**STORED, **STORED_V6} if family == _socket.AF_INET6 else STORED
        self._values: dict[Option, bytes] = {}

    def store(self, option: Option, value: bytes) -> None:
        """Set an option; OSError(ENOPROTOOPT) if it cannot be had, EINVAL if the value is too short."""
        default = self._stored.get(option)
        if default is None and option not in NATIVE:
            raise refusal(option)
        if default is not None and len(value) < len(default):
            raise os_error(errno.EINVAL, f"{name_of(option)} takes {len(default)} bytes, not {len(value)}")
        self._values[option] = value

    def read(self, option: Option) -> bytes:
        """What was set, or the default; OSError(ENOPROTOOPT) for what we do not have."""
        if option in self._values:
            return self._values[option]
        if option not in self._stored:
            raise refusal(option)
        return self._stored[option]

    def number(self, option: Option) -> int:
        """A stored integer option."""
        return int(_INT.unpack_from(self.read(option))[0])

    def for_stream(self) -> StreamOptions:
        """The part that a TCP link is asked for; what was never set is left to the firmware."""
        return StreamOptions(
            keepalive_s=self._keepalive_s(),
            nodelay=bool(self.number(NODELAY)) if NODELAY in self._values else None,
            linger_s=self._linger_s(),
            send_timeout_ms=self._send_timeout_ms(),
        )

    def broadcast(self) -> bool:
        """Whether sending to the broadcast address is allowed."""
        return bool(self.number(BROADCAST))

    def is_ipv6_only(self) -> bool:
        """Whether an AF_INET6 socket is to have no peers of IPv4."""
        return self._family == _socket.AF_INET6 and bool(self.number(V6ONLY))

    def sndbuf_bytes(self) -> int | None:
        """The send buffer that was asked for."""
        value = self._values.get(SNDBUF)
        return None if value is None else int(_INT.unpack_from(value)[0])

    def inherited(self) -> SocketOptions:
        """The options of a stream accepted by the listener that has these."""
        options = SocketOptions(self._family)
        options._values.update(self._values)
        return options

    def copy_to(self, host_socket: _socket.socket) -> None:
        """Set on a socket of the host what was set here; what this host refuses is left."""
        for option, value in self._values.items():
            try:
                host_socket.setsockopt(*option, value)
            except OSError:  # such as SO_MARK without the right to it
                continue

    def _keepalive_s(self) -> int | None:
        if KEEPALIVE not in self._values:
            return None
        if not self.number(KEEPALIVE):
            return 0
        return max(1, min(self.number(KEEPIDLE), LONGEST_KEEPALIVE_S))

    def _linger_s(self) -> int | None:
        if LINGER not in self._values:
            return None
        on, seconds = _LINGER.unpack_from(self._values[LINGER])
        return seconds if on else -1

    def _send_timeout_ms(self) -> int | None:
        value = self._values.get(SNDTIMEO)
        if value is None or len(value) < _TIMEVAL.size:
            return None
        seconds, microseconds = _TIMEVAL.unpack_from(value)
        return int(seconds * 1000 + microseconds // 1000)


def encoded(value: object, length: int | None) -> bytes:
    """The bytes that `setsockopt(level, option, value[, length])` means, checked as the C module does."""
    if value is None:
        if length is None:
            raise TypeError("setsockopt() requires 4 arguments when the third argument is None")
        return bytes(length)
    if length is not None:
        raise TypeError(f"setsockopt() argument 3 must be None, not {type(value).__name__}")
    if isinstance(value, int):
        if not -(2**31) <= value < 2**31:
            raise TypeError(f"setsockopt() argument 3: {value} does not fit an int")
        return _INT.pack(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"a bytes-like object is required, not {type(value).__name__!r}")


def decoded(value: bytes, length: int) -> int | bytes:
    """What `getsockopt(level, option[, length])` returns for a value: an int, or its bytes."""
    if length == 0:
        return int(_INT.unpack_from(value.ljust(_INT.size, b"\0"))[0])
    if not 0 < length <= 1024:
        raise OSError("getsockopt buflen out of range")
    return value[:length]


def name_of(option: Option) -> str:
    """The usual name of an option, for messages."""
    level, number = option
    prefixes = {
        _socket.SOL_SOCKET: "SO_",
        _socket.IPPROTO_IP: "IP_",
        _socket.IPPROTO_IPV6: "IPV6_",
        _socket.IPPROTO_TCP: "TCP_",
    }
    prefix = prefixes.get(level)
    for name, value in vars(_socket).items():
        if prefix and name.startswith(prefix) and value == number:
            return name
    return f"level {level} option {number}"


def refusal(option: Option) -> OSError:
    """What to raise for an option that we do not have."""
    why = f"an ESP32 with AT firmware does not support {name_of(option)}"
    if option in _MEMBERSHIPS:
        why += (
            ": it joins no multicast group and hears nothing that is sent to one, so Zeroconf, SSDP and the "
            "like cannot find services through it; use addresses and unicast"
        )
    return os_error(errno.ENOPROTOOPT, why)


def int_bytes(number: int) -> bytes:
    """An integer as an option's value."""
    return _INT.pack(number)
