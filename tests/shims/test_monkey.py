"""patch(), unpatch(), patched(): what is changed, and that nothing of it stays."""

from __future__ import annotations

import _socket
import itertools
import socket
import ssl
import sys
import types
from socket import gethostbyname as early_gethostbyname
from socket import socket as early_socket
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket as virtual
from esp32sock.net import context
from esp32sock.shims import monkey
from esp32sock.shims.monkey import is_patched, patch, patched, unpatch
from tests.net.harness import peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.net.fake_interface import FakeInterface

PLACES: tuple[Any, ...] = (socket.socket, socket, _socket, _socket.socket, ssl.SSLSocket, ssl.SSLContext, ssl)


def everything() -> list[dict[str, Any]]:
    return [dict(vars(place)) for place in PLACES]


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return all(
        left.keys() == right.keys() and all(left[name] is right[name] for name in left)
        for left, right in zip(one, other, strict=True)
    )


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = everything()
    yield
    assert not is_patched()
    assert same(before, everything())


def test_unpatch_restores_every_attribute_by_identity() -> None:
    before = everything()
    patch()
    assert not same(before, everything())
    unpatch()
    assert same(before, everything())


CHANGING = ("_patch_all", "_set", "_patch_trio", "_unpatch_all")
"""Where anything is changed; before the first line of a `finally` Python itself can be interrupted."""


def patched_until(stop: int | None) -> int:
    """Patch and put back, with Ctrl-C behind so many lines of ours; how many there were."""
    lines = itertools.count(1)
    seen = 0

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename != monkey.__file__ or frame.f_code.co_name not in CHANGING:
            return None
        if event == "line":
            seen = next(lines)
            if seen == stop:
                raise KeyboardInterrupt
        return trace

    before_us = sys.gettrace()
    sys.settrace(trace)
    try:
        with patched():
            pass
    finally:
        sys.settrace(before_us)
    return seen


@pytest.mark.timeout(240)  # each of its hundreds of patches looks through all modules of the test process
def test_an_interrupt_anywhere_leaves_no_half_patch() -> None:
    before = everything()
    for stop in range(1, patched_until(None), 3):
        with pytest.raises(KeyboardInterrupt):
            patched_until(stop)
        assert not is_patched()
        assert same(before, everything()), stop


def test_patching_twice_is_patching_once() -> None:
    patch()
    patch()
    assert is_patched()
    unpatch()
    assert not is_patched()
    unpatch()


def test_a_nested_context_changes_nothing() -> None:
    with patched():
        with patched():
            assert is_patched()
        assert is_patched()
    assert not is_patched()
    patch()
    with patched():
        pass
    assert is_patched()
    unpatch()


def test_an_error_inside_undoes_the_patch() -> None:
    with pytest.raises(ZeroDivisionError), patched():
        _ = 1 / 0


def test_an_error_while_patching_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(monkey, "_patch_trio", fails)
    with pytest.raises(ZeroDivisionError):
        patch()


def test_who_imported_early_is_served(fake: FakeInterface) -> None:
    fake.names["peer.example"] = ["127.0.0.1"]
    module = types.ModuleType("somebody_s_module")
    module.gethostbyname = early_gethostbyname  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        with peer(lambda accepted: accepted.sendall(b"x")) as (_, port), patched():
            assert module.gethostbyname("peer.example") == "127.0.0.1"
            assert early_gethostbyname("peer.example") == "127.0.0.1"
            with early_socket() as sock:
                sock.connect(("peer.example", port))
                assert sock.recv(1) == b"x"
        assert len(fake.opened) == 1
    finally:
        del sys.modules[module.__name__]
    assert module.gethostbyname is early_gethostbyname is _socket.gethostbyname


def test_what_existed_stays_real(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as before, patched():
        client = socket.create_connection(before.getsockname())
        accepted, _ = before.accept()
        with client, accepted:
            assert len(fake.opened) == 1
            accepted.sendall(b"x")
            assert client.recv(1) == b"x"
            assert client.getpeername() == before.getsockname()
            with socket.socket(fileno=before.fileno()) as alias:
                assert alias.getsockname() == before.getsockname()
                alias.detach()


def test_what_is_open_goes_on_after_unpatch(fake: FakeInterface) -> None:
    def echo(accepted: socket.socket) -> None:
        accepted.sendall(accepted.recv(10))

    with peer(echo) as address:
        with patched():
            sock = socket.create_connection(address)
        with sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"


def test_a_listener_goes_on_after_unpatch(fake: FakeInterface) -> None:
    with patched():
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with listener, datagram, socket.create_connection(address) as client:
        assert listener.getsockname() == address
        accepted, _ = listener.accept()
        with accepted:
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"
        with pytest.raises(OSError, match="not connected"):
            datagram.getpeername()
        assert isinstance(datagram, virtual.socket)


def test_the_module_s_own_names(fake: FakeInterface) -> None:
    with patched():
        assert not socket.has_dualstack_ipv6()
        assert socket.SocketType is _socket.socket
        assert isinstance(socket.socket, type)
        one, other = socket.socketpair()
        with one, other:
            assert one.family == socket.AF_UNIX
        assert socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
        assert isinstance(socket.getaddrinfo("127.0.0.1", 80)[0][0], socket.AddressFamily)
        with pytest.raises(OSError, match="IPv6 is off"):
            socket.socket(socket.AF_INET6)


def test_whoever_stands_below_the_interface_stays_on_the_host(fake: FakeInterface) -> None:
    with patched(), context.on_host():
        with socket.create_server(("localhost", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        with client, accepted:
            accepted.sendall(b"x")
            assert client.recv(1) == b"x"
        names = (
            ("getaddrinfo", "localhost", 80),
            ("gethostbyname", "localhost"),
            ("gethostbyname_ex", "localhost"),
        )
        for name, *arguments in (
            *names,
            ("gethostbyaddr", "127.0.0.1"),
            ("getnameinfo", ("127.0.0.1", 80), 0),
        ):
            assert getattr(socket, name)(*arguments)
    assert not fake.opened
    assert not fake.asked


def test_gevent_and_eventlet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gevent = types.ModuleType("gevent.monkey")
    gevent.is_module_patched = lambda name: name == "socket"  # type: ignore[attr-defined]
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "gevent.monkey", gevent)
        with pytest.raises(RuntimeError, match="gevent's sockets in place of"):
            patch()
    eventlet = types.ModuleType("eventlet.patcher")
    eventlet.is_monkey_patched = lambda name: True  # type: ignore[attr-defined]
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "eventlet.patcher", eventlet)
        with pytest.raises(RuntimeError, match="eventlet's sockets in place of"):
            patch()
        eventlet.is_monkey_patched = lambda name: False  # type: ignore[attr-defined]
        with patched():
            pass


def test_a_uvloop_that_is_not_known_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", types.ModuleType("uvloop"))
    with pytest.warns(RuntimeWarning, match="uvloop"):
        patch()
    unpatch()


def test_a_trio_that_is_not_known_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio._socket", types.ModuleType("trio._socket"))
    with pytest.warns(RuntimeWarning, match="trio"):
        patch()
    unpatch()


def test_trio_s_methods_are_restored_too() -> None:
    import trio._socket

    before = dict(vars(trio._socket._SocketType))
    with patched():
        assert vars(trio._socket._SocketType)["recvfrom"] is not before["recvfrom"]
    assert same([before], [dict(vars(trio._socket._SocketType))])
