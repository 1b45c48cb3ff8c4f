"""What cannot pass over a module, by full id. A test here that passes is a failure of the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Category(Enum):
    """Why a test cannot pass: these and no others."""

    ONE_LISTENER = "impossible on the module: one listener"
    NO_HALF_CLOSE = "impossible on the module: no half-close"
    NO_LOCAL_PORT = "impossible on the module: no choice of a TCP client's local port"
    SMALL_DATAGRAMS = "impossible on the module: datagrams of at most 1460 bytes"


@dataclass(frozen=True)
class Expected:
    """One expected failure."""

    category: Category
    reason: str
    hangs: bool = False
    """The test waits for ever then: it is not given long."""


_SOCKET = "test.test_socket"
_LOW_LEVEL = "test.test_asyncio.test_sock_lowlevel"
_LOOPS = ("EPollEventLoopTests", "PollEventLoopTests", "SelectEventLoopTests")

_FROM_PORT = "it binds to a port and connects from there; CIPSTART has no field for that"
_LARGE = "it sends a datagram of 4096 bytes"
_AFTER_FIN = "the peer has closed and the test still sends; an ESP32 has no connection left by then"
_RACING = "the peer shuts its writing half and waits for an answer; an ESP32 cannot send a FIN alone"

EXPECTED: dict[str, Expected] = {
    f"{_SOCKET}.NetworkConnectionAttributesTest.testSourceAddress": Expected(
        Category.NO_LOCAL_PORT, _FROM_PORT, hangs=True
    ),
    "test.test_httplib.SourceAddressTest.testHTTPConnectionSourceAddress": Expected(
        Category.NO_LOCAL_PORT, _FROM_PORT
    ),
    "test.test_smtplib.DebuggingServerTests.testSourceAddress": Expected(Category.NO_LOCAL_PORT, _FROM_PORT),
    f"{_SOCKET}.NetworkConnectionBehaviourTest.testOutsideTimeout": Expected(
        Category.NO_HALF_CLOSE, _AFTER_FIN
    ),
    f"{_SOCKET}.ContextManagersTest.testCreateConnectionClose": Expected(Category.NO_HALF_CLOSE, _AFTER_FIN),
    "test.test_urllib2_localnet.TestUrlopen.test_https_with_cafile": Expected(
        Category.ONE_LISTENER, "it starts a second server while the first one listens"
    ),
    "test.test_socketserver.SocketServerTest.test_shutdown": Expected(
        Category.ONE_LISTENER, "it has 20 servers listen at a time"
    ),
    **{
        f"{_LOW_LEVEL}.{loop}.test_sock_client_racing": Expected(Category.NO_HALF_CLOSE, _RACING)
        for loop in _LOOPS
    },
    **{
        f"{_LOW_LEVEL}.{loop}.{name}": Expected(Category.SMALL_DATAGRAMS, _LARGE)
        for loop in _LOOPS
        for name in ("test_recvfrom", "test_recvfrom_into", "test_sendto_blocking")
    },
}

MOST = 25
"""More than these would mean that the design is wrong, not the tests."""

SKIPPED_FOR_IPV4 = frozenset(
    f"{_SOCKET}.GeneralModuleTests.{name}"
    for name in (
        "testIPv6toString",
        "testStringToIPv6",
        "test_flowinfo",
        "test_getaddrinfo_ipv6_basic",
        "test_getaddrinfo_ipv6_scopeid_numeric",
        "test_getaddrinfo_ipv6_scopeid_symbolic",
        "test_getnameinfo_ipv6_scopeid_numeric",
        "test_getnameinfo_ipv6_scopeid_symbolic",
    )
)
"""Skipped over a module and not without it: they ask whether there is IPv6."""
