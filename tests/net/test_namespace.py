"""`from esp32sock import socket`: every name of the standard library's module, ours where it must be."""

from __future__ import annotations

import inspect
import socket as stdlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import esp32sock.socket
from esp32sock import socket
from esp32sock.net.socket_methods import METHODS

if TYPE_CHECKING:
    from tests.net.fake_interface import FakeInterface

OURS = {
    "socket",
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostbyaddr",
    "getnameinfo",
    "create_connection",
    "create_server",
    "fromfd",
    "getfqdn",
    "has_dualstack_ipv6",
    "socketpair",
}


def test_every_name_is_there_and_the_same_object_unless_it_is_ours() -> None:
    names = {name for name in dir(stdlib) if not name.startswith("__")}
    assert names <= set(dir(socket))
    different = {name for name in names if getattr(socket, name) is not getattr(stdlib, name)}
    assert different <= OURS
    assert set(socket.__all__) == set(stdlib.__all__)
    assert socket is esp32sock.socket


def test_no_name_of_our_own_is_public() -> None:
    added = set(vars(socket)) - set(dir(stdlib))
    ours = {name for name in added if name[0] not in "_@"}  # pytest rewrites what a plugin's package asserts
    assert ours == {"annotations", "TYPE_CHECKING", "Any"}


def test_names_that_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdlib, "a_name_of_the_future", 7, raising=False)
    assert socket.a_name_of_the_future == 7
    with pytest.raises(AttributeError):
        _ = socket.a_name_that_is_not


def test_the_class_is_a_socket_with_the_same_methods() -> None:
    assert issubclass(socket.socket, stdlib.socket)
    with socket.socket() as sock:
        assert not hasattr(sock, "__dict__")
    assert set(dir(socket.socket)) >= set(dir(stdlib.socket))
    assert f"{socket.socket.__module__}.{socket.socket.__qualname__}" == "esp32sock.socket.socket"


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods_keep_name_and_documentation(name: str) -> None:
    theirs = getattr(stdlib.socket, name, None)
    assert theirs is not None
    ours = METHODS[name]
    assert ours.__doc__ == theirs.__doc__
    assert ours.__name__ == name
    try:
        expected = inspect.signature(theirs)
    except ValueError:
        return
    assert str(inspect.signature(ours)) == str(expected)


def test_functions_of_the_standard_library_make_our_sockets(fake: FakeInterface) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        socket.fromfd(client.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy,
    ):
        assert {type(sock) for sock in (listener, client, copy)} == {socket.socket}
        assert copy.getpeername() == listener.getsockname()
        assert copy.family is socket.AF_INET


def test_importing_is_cheap_and_installs_nothing() -> None:
    code = """
import socket, _socket, sys
before = dict(vars(socket.socket)), dict(vars(socket)), dict(vars(_socket))
import esp32sock.socket
assert (dict(vars(socket.socket)), dict(vars(socket)), dict(vars(_socket))) == before
heavy = {"trio", "serial", "ssl", "asyncio", "esp32sock.engine.engine"}
assert not heavy & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=50)
