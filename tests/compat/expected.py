"""What does not pass over a module, by full id. A test here that passes is a failure of the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.compat.running import Outcome


class Category(Enum):
    """Why a test does not pass: these and no others."""

    ONE_LISTENER = "impossible on the module: one listener"
    ONE_FAMILY = "impossible on the module: its listener is for IPv4 or for IPv6"
    NO_HALF_CLOSE = "impossible on the module: no half-close"
    NO_LOCAL_PORT = "impossible on the module: no choice of a TCP client's local port"
    SMALL_DATAGRAMS = "impossible on the module: datagrams of at most 1460 bytes"
    CHILDREN = "refused: a Python child has no module where nothing is the host's"


@dataclass(frozen=True)
class Expected:
    """One expected failure."""

    category: Category
    reason: str
    shows: str
    """What it fails with: stands in its traceback."""
    hangs: bool = False
    """The error comes at once, but the test then waits for ever in another thread: it is not given long."""

    def is_shown_by(self, outcome: Outcome) -> bool:
        """Whether it failed as expected, and not for another reason."""
        return outcome.word == ("hung" if self.hangs else "failed") and self.shows in outcome.text


_SOCKET = "test.test_socket"
_LOW_LEVEL = "test.test_asyncio.test_sock_lowlevel"
_LOOPS = ("EPollEventLoopTests", "PollEventLoopTests", "SelectEventLoopTests")

_FROM_PORT = (
    "it binds to a port and connects from there; a TCP CIPSTART of any firmware has a field for the local "
    "address but none for the local port (at-dialects 7.4)"
)
_LARGE = (
    "it sends a datagram of 4096 bytes; stock firmware drops what is over 1460 when receiving, and issue 4, "
    "point 2, wants EMSGSIZE (at-dialects 7.5, 7.6 and 9)"
)
_RACING = (
    "it shuts its writing half and waits until the peer sees that; an ESP32 cannot send a FIN alone, so the "
    "peer would see it after half_close_s (architecture 1, half-close)"
)
_CHILD = (
    "it starts a Python child, whose sockets would use this machine's network: patched programs refuse that "
    "under `direct=()`, which is how this run is attached (docs/routes.md, SECURITY.md)"
)

EXPECTED: dict[str, Expected] = {
    "test.test_select.SelectTestCase.test_select": Expected(Category.CHILDREN, _CHILD, "[Errno 95] "),
    "test.test_asyncio.test_streams.StreamTests.test_read_all_from_pipe_reader": Expected(
        Category.CHILDREN, _CHILD, "[Errno 95] "
    ),
    f"{_SOCKET}.NetworkConnectionAttributesTest.testSourceAddress": Expected(
        Category.NO_LOCAL_PORT, _FROM_PORT, "in accept", hangs=True
    ),
    "test.test_httplib.SourceAddressTest.testHTTPConnectionSourceAddress": Expected(
        Category.NO_LOCAL_PORT, _FROM_PORT, "[Errno 99] "
    ),
    "test.test_smtplib.DebuggingServerTests.testSourceAddress": Expected(
        Category.NO_LOCAL_PORT, _FROM_PORT, "[Errno 99] "
    ),
    "test.test_urllib2_localnet.TestUrlopen.test_https_with_cafile": Expected(
        Category.ONE_LISTENER, "it starts a second server while the first one listens", "[Errno 24] "
    ),
    "test.test_socketserver.SocketServerTest.test_shutdown": Expected(
        Category.ONE_LISTENER, "it has 20 servers listen at a time", "[Errno 24] "
    ),
    f"{_SOCKET}.CreateServerFunctionalTest.test_dual_stack_client_v4": Expected(
        Category.ONE_FAMILY,
        "its client of IPv4 comes to a listener of IPv6, which no document of the firmware says to take it "
        "(at-dialects 7.14)",
        "[Errno 111] ",
    ),
    **{
        f"{_LOW_LEVEL}.{loop}.test_sock_client_racing": Expected(
            Category.NO_HALF_CLOSE, _RACING, "TimeoutError"
        )
        for loop in _LOOPS
    },
    **{
        f"{_LOW_LEVEL}.{loop}.{name}": Expected(Category.SMALL_DATAGRAMS, _LARGE, "[Errno 90] ")
        for loop in _LOOPS
        for name in ("test_recvfrom", "test_recvfrom_into", "test_sendto_blocking")
    },
}

MOST = 25
"""More than these would mean that the design is wrong, not the tests."""
