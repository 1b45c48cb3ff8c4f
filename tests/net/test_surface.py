"""The whole surface, name by name (compat 2.1 to 2.3): what is ours, follows, passes or refuses.

A name that an interpreter has and the tables do not makes a test fail, so that somebody decides about it.
"""

from __future__ import annotations

import _socket
import errno
import socket as stdlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket
from esp32sock.net.arguments import LOCAL_FAMILIES
from esp32sock.net.socket_methods import METHODS
from esp32sock.shims.monkey import patched

if TYPE_CHECKING:
    import enum

    from tests.net.fake_interface import FakeInterface


def words(text: str) -> set[str]:
    return set(text.split())


VIRTUAL = words("socket getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr getnameinfo")
"""Ours, in the explicit module and under the patch."""
FOLLOWS = words("create_connection create_server has_dualstack_ipv6 getfqdn fromfd send_fds recv_fds")
"""Python over globals: untouched by the patch, and what they make is ours."""
PASSES = words("""
    has_ipv6 socketpair dup close gethostname sethostname getservbyname getservbyport getprotobyname inet_aton
    inet_ntoa inet_pton inet_ntop htonl htons ntohl ntohs getdefaulttimeout setdefaulttimeout CMSG_LEN
    CMSG_SPACE if_nameindex if_nametoindex if_indextoname error herror gaierror timeout AddressFamily
    SocketKind MsgFlag AddressInfo SocketType CAPI SocketIO _GLOBAL_DEFAULT_TIMEOUT _intenum_converter
    _GiveupOnSendfile _blocking_errnos _fallback_socketpair _LOCALHOST _LOCALHOST_V6 EBADF EAGAIN
    EWOULDBLOCK
    _socket os sys io selectors array errno IntEnum IntFlag
""")
"""The standard library's own object, everywhere."""
REBUILT = FOLLOWS - {"send_fds", "recv_fds"} | {"socketpair"}
"""Of these the explicit module has its own: theirs would make the standard library's sockets."""

NAMES_OF_3_14 = sorted(
    words("""
    BT_SECURITY BT_POWER BT_CHANNEL_POLICY BT_CHANNEL_POLICY_BREDR_ONLY BT_PHY BT_PHY_BR_1M_1SLOT BT_MODE
    BT_MODE_BASIC BT_VOICE BT_VOICE_TRANSPARENT BT_VOICE_CVSD_16BIT BT_CODEC BT_SNDMTU BT_RCVMTU L2CAP_LM
    L2CAP_LM_MASTER L2CAP_LM_AUTH
""")
)
"""Some of the Bluetooth constants that 3.14 adds (python/cpython issue 132734, pull request 132829)."""

METHODS_VIRTUAL = words("""
    __init__ connect connect_ex bind listen _accept getpeername getsockname getsockopt setsockopt shutdown
    detach _real_close send sendall sendto sendmsg recv recv_into recvfrom recvfrom_into recvmsg recvmsg_into
    sendmsg_afalg
""")
METHODS_INHERITED = words("""
    accept dup makefile sendfile close fileno family type proto timeout settimeout gettimeout setblocking
    getblocking get_inheritable set_inheritable __enter__ __exit__ __del__ _io_refs _closed _decref_socketios
    _check_sendfile_params _sendfile_use_send _sendfile_use_sendfile __slots__ __weakref__ __module__
""")
"""Native on the descriptor, or Python over the methods above."""


def is_constant(name: str) -> bool:
    value = getattr(stdlib, name)
    return name.isupper() and isinstance(value, int | str) and not isinstance(value, type)


def names() -> set[str]:
    """All that are no constants."""
    found = {name for name in dir(stdlib) if not name.startswith("__")}
    return {name for name in found if not is_constant(name)} - {"AF_DECnet", "annotations"}


def test_every_name_is_decided() -> None:
    assert names() <= VIRTUAL | FOLLOWS | PASSES
    assert names() >= VIRTUAL | FOLLOWS
    assert not VIRTUAL & FOLLOWS | VIRTUAL & PASSES | FOLLOWS & PASSES


def test_explicit_names() -> None:
    for name in names():
        same = getattr(socket, name) is getattr(stdlib, name)
        assert same is (name not in VIRTUAL | REBUILT), name
    for name in dir(stdlib):
        if is_constant(name) and not name.startswith("__"):
            assert getattr(socket, name) is getattr(stdlib, name)


def test_patched_names(fake: FakeInterface) -> None:
    before = {name: getattr(stdlib, name) for name in dir(stdlib)}
    resolved_by_c = _socket.getaddrinfo
    with patched():
        changed = {name for name, value in before.items() if getattr(stdlib, name) is not value}
        assert changed <= VIRTUAL - {"socket"}
        assert changed >= VIRTUAL - {"socket", "getaddrinfo"}
        assert _socket.getaddrinfo is not resolved_by_c  # which the function in `socket` calls
        assert stdlib.SocketType is _socket.socket
        assert not stdlib.has_dualstack_ipv6()
    assert {name: getattr(stdlib, name) for name in dir(stdlib)} == before


def test_every_method_is_decided() -> None:
    own = {name for name in dir(stdlib.socket) if name not in dir(object)}
    own -= {"__static_attributes__", "__firstlineno__"}
    assert own | {"__init__"} == METHODS_VIRTUAL | METHODS_INHERITED - ({"__module__"} - own)
    assert set(METHODS) == METHODS_VIRTUAL


def test_names_that_3_14_adds() -> None:
    """Under an interpreter that has them they pass, as constants do."""
    code = f"""
import socket, _socket
for number, name in enumerate({NAMES_OF_3_14!r}):
    for module in (_socket, socket):
        if not hasattr(module, name):
            setattr(module, name, number + 1000)
import esp32sock.socket
from esp32sock.shims.monkey import patched
for name in {NAMES_OF_3_14!r}:
    assert getattr(esp32sock.socket, name) == getattr(socket, name), name
    assert name in dir(esp32sock.socket)
with patched():
    assert all(hasattr(socket, name) for name in {NAMES_OF_3_14!r})
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=50)


# -- 2.2: families and types


def families() -> list[enum.IntEnum]:
    known = {stdlib.AF_INET, stdlib.AF_INET6, stdlib.AF_UNIX, stdlib.AF_UNSPEC}
    return [family for family in stdlib.AddressFamily if family not in known]


@pytest.mark.parametrize("family", families(), ids=str)
def test_other_families_are_the_hosts(fake: FakeInterface, family: int) -> None:
    """Made or refused with the same errno as without us; refused where one would reach the host's network."""

    def outcome(cls: Any) -> Any:
        try:
            with cls(family, stdlib.SOCK_RAW if family == 17 else stdlib.SOCK_DGRAM) as sock:
                return sock.family
        except OSError as error:
            return error.errno

    expected = outcome(stdlib.socket) if family in LOCAL_FAMILIES else errno.EAFNOSUPPORT
    assert outcome(socket.socket) == expected


def test_ipv6_is_refused_so_that_callers_fall_back(fake: FakeInterface) -> None:
    for make in (socket.socket, stdlib.socket):
        with patched(), pytest.raises(OSError, match="IPv6 is off") as caught:
            make(stdlib.AF_INET6, stdlib.SOCK_STREAM)
        assert caught.value.errno == errno.EAFNOSUPPORT
    fake.names["peer.example"] = ["127.0.0.1"]
    with pytest.raises(stdlib.gaierror) as refused:
        socket.getaddrinfo("peer.example", 80, stdlib.AF_INET6)
    assert refused.value.errno in (stdlib.EAI_ADDRFAMILY, stdlib.EAI_NONAME)
    found = socket.getaddrinfo("peer.example", 80, stdlib.AF_UNSPEC, stdlib.SOCK_STREAM)
    assert [each[0] for each in found] == [stdlib.AF_INET]


@pytest.mark.parametrize(
    ("kind", "proto"),
    [
        (stdlib.SOCK_RAW, stdlib.IPPROTO_ICMP),
        (stdlib.SOCK_SEQPACKET, 0),
        (stdlib.SOCK_RDM, 0),
        (stdlib.SOCK_STREAM, stdlib.IPPROTO_UDP),
        (stdlib.SOCK_STREAM, stdlib.IPPROTO_SCTP),
        (stdlib.SOCK_DGRAM, stdlib.IPPROTO_TCP),
        (stdlib.SOCK_DGRAM, stdlib.IPPROTO_UDPLITE),
    ],
)
def test_other_types_are_refused(fake: FakeInterface, kind: int, proto: int) -> None:
    with pytest.raises(OSError, match="TCP and UDP only") as caught:
        socket.socket(stdlib.AF_INET, kind, proto)
    assert caught.value.errno == errno.EPROTONOSUPPORT


# -- 2.3: what no socket of the module does


def test_out_of_band_and_ancillary_data_are_refused(fake: FakeInterface) -> None:
    """AF_UNIX would take both in silence (compat 3.1)."""
    with (
        stdlib.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sock,
        listener.accept()[0],
    ):
        for call in (
            lambda: sock.send(b"!", stdlib.MSG_OOB),
            lambda: sock.sendall(b"!", stdlib.MSG_OOB),
            lambda: sock.sendmsg([b"!"], [], stdlib.MSG_OOB),
            lambda: sock.recv(1, stdlib.MSG_OOB),
            lambda: sock.recv_into(bytearray(1), 1, stdlib.MSG_OOB),
            lambda: sock.recvmsg(1, 0, stdlib.MSG_OOB),
            lambda: sock.sendmsg_afalg(op=0),
        ):
            with pytest.raises(OSError, match="not supported") as caught:
                call()
            assert caught.value.errno == errno.EOPNOTSUPP
        with pytest.raises(OSError, match="ancillary"):
            socket.send_fds(sock, [b"!"], [0])
