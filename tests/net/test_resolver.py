"""Names: what is answered here, what is asked of the module, and what never leaves."""

from __future__ import annotations

import errno
import socket as stdlib
from concurrent.futures import Future
from typing import Any
from unittest.mock import Mock

import pytest

from esp32sock import socket
from esp32sock.engine.options import Options
from esp32sock.errors import CommandError, CommandTimeout, PortError
from esp32sock.net.local_interface import LocalInterface
from tests.net.fake_interface import FakeInterface
from tests.net.harness import using

STREAM = (socket.AF_INET, socket.SOCK_STREAM, 6, "")


# -- without asking


@pytest.mark.parametrize(
    "arguments",
    [
        ("127.0.0.1", 80),
        ("127.0.0.1", "http"),
        (b"127.0.0.1", b"80"),
        ("127.1", 80, 0, socket.SOCK_STREAM),
        ("0x7f000001", 80, 0, socket.SOCK_DGRAM),
        ("127.0.0.1", None),
        ("127.0.0.1", 80, socket.AF_INET, 0, socket.IPPROTO_TCP),
        ("127.0.0.1", 80, 0, 0, 0, socket.AI_NUMERICHOST),
        ("127.0.0.1", 80, 0, 0, 0, socket.AI_CANONNAME),
        (None, 80, socket.AF_INET),
        (None, 80, socket.AF_INET, 0, 0, socket.AI_PASSIVE),
        ("::1", 80, socket.AF_INET6),
    ],
)
def test_what_needs_nobody_is_as_always(fake: FakeInterface, arguments: Any) -> None:
    answers = socket.getaddrinfo(*arguments)
    assert answers == stdlib.getaddrinfo(*arguments)
    assert isinstance(answers[0][0], socket.AddressFamily)
    assert isinstance(answers[0][1], socket.SocketKind)
    assert fake.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("127.0.0.1", "no such service"),
        ("name.example", "no such service"),
        ("127.0.0.1", 80, 0, socket.SOCK_STREAM, socket.IPPROTO_UDP),
        ("127.0.0.1", 80, 0, 0, 0, 1 << 30),
        (None, None),
        (None, 80, 0, 0, 0, socket.AI_CANONNAME),
        ("name.example", 80, 0, 0, 0, socket.AI_NUMERICHOST),
        ("127.0.0.1", 80, socket.AF_INET6),
        ("127.0.0.1", 80, 12345),
        ("", 80),
        (7, 80),
        ("127.0.0.1", object()),
        ("a..b", 80),
        ("x" * 300, 80),
        ("host\r\nname", 80),
        ('quo"te', 80),
        ("a b", 80),
        ("tab\there", 80),
        ("nul\0byte", 80),
        ("1.2.3.999", 80),
        ("a,b", 80),
        ("\\", 80),
    ],
)
def test_what_cannot_be_is_refused_as_always_and_nothing_is_sent(fake: FakeInterface, arguments: Any) -> None:
    outcomes = []
    for net in (stdlib, socket):
        with pytest.raises((OSError, TypeError, UnicodeError)) as caught:
            net.getaddrinfo(*arguments)
        outcomes.append((caught.type, getattr(caught.value, "errno", None)))
    assert outcomes[0] == outcomes[1]
    assert fake.asked == []


@pytest.mark.parametrize(
    "name", ["host\r\nAT+RST", 'a"b', "a\\,b", "a" * 64 + ".example", "-a.example", "é" * 70, "a..b", " a"]
)
@pytest.mark.parametrize(
    "method", ["connect", "sendto", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"]
)
def test_bad_names_in_other_calls(fake: FakeInterface, method: str, name: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        call: Any = {
            "connect": lambda: sock.connect((name, 80)),
            "sendto": lambda: sock.sendto(b"x", (name, 80)),
        }.get(method) or (lambda: getattr(socket, method)(name))
        with pytest.raises((socket.gaierror, UnicodeError, TypeError)):
            call()
    assert fake.asked == []
    assert not fake.opened


def test_a_long_name_is_shown_short(fake: FakeInterface) -> None:
    with socket.socket() as sock, pytest.raises(socket.gaierror, match="at most 253") as caught:
        sock.connect_ex((".".join(["label"] * 60), 80))
    assert len(str(caught.value)) < 300


def test_localhost_is_known_even_when_loopback_is_the_module_s(fake: FakeInterface) -> None:
    for name in ("localhost", "LOCALHOST", "some.localhost", "localhost."):
        assert socket.gethostbyname(name) == "127.0.0.1"
    assert {answer[4] for answer in socket.getaddrinfo("localhost", 80)} == {("127.0.0.1", 80)}
    assert fake.asked == []


# -- asking the module


def test_a_name_is_asked_of_the_module(fake: FakeInterface) -> None:
    fake.names["www.example"] = ["192.0.2.1", "192.0.2.2"]
    assert socket.getaddrinfo("www.example", "https", type=socket.SOCK_STREAM) == [
        (*STREAM, ("192.0.2.1", 443)),
        (*STREAM, ("192.0.2.2", 443)),
    ]
    assert socket.gethostbyname("www.example") == "192.0.2.1"
    assert socket.gethostbyname_ex("www.example") == ("www.example", [], ["192.0.2.1", "192.0.2.2"])
    assert socket.getaddrinfo(b"www.example", 1, 0, socket.SOCK_STREAM)[0][4] == ("192.0.2.1", 1)
    canonical = socket.getaddrinfo("www.example", 1, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)
    assert [answer[3] for answer in canonical] == ["www.example", ""]


def test_international_and_absolute_names(fake: FakeInterface) -> None:
    fake.names["xn--bcher-kva.example"] = ["192.0.2.1"]
    assert socket.gethostbyname("bücher.example") == "192.0.2.1"
    assert socket.gethostbyname("xn--bcher-kva.example.") == "192.0.2.1"
    assert set(fake.asked) == {"xn--bcher-kva.example"}


def test_an_unknown_name(fake: FakeInterface) -> None:
    for call in (
        lambda: socket.getaddrinfo("unknown.example", 80),
        lambda: socket.gethostbyname("unknown.example"),
        lambda: socket.create_connection(("unknown.example", 80)),
    ):
        with pytest.raises(socket.gaierror, match=r"Name or service not known: .*unknown\.example") as caught:
            call()
        assert caught.value.errno == socket.EAI_NONAME
        assert isinstance(caught.value.__cause__, CommandError)


@pytest.mark.parametrize(
    "error",
    [
        CommandTimeout("AT+CIPDOMAIN", "nothing"),
        PortError("the port is gone"),
        CommandError("AT+CIPDOMAIN", "ERROR", errno=errno.ENETUNREACH),
    ],
)
def test_a_module_that_cannot_look_up_now(error: Exception) -> None:
    with pytest.raises(socket.gaierror) as caught:
        interface_whose_calls_end_with(error).resolve("www.example")
    assert caught.value.errno == socket.EAI_AGAIN
    assert caught.value.__cause__ is error


def test_an_interface_that_closes_meanwhile() -> None:
    with pytest.raises(OSError, match="interface was closed") as caught:
        interface_whose_calls_end_with(None).resolve("www.example")
    assert caught.value.errno == errno.ENETDOWN


def interface_whose_calls_end_with(error: Exception | None) -> LocalInterface:
    """What is asked of its engine fails like this; None: is cancelled."""
    answer: Future[list[str]] = Future()
    if error is None:
        answer.cancel()
    else:
        answer.set_exception(error)
    portal = Mock(is_current=False, call=lambda *job: answer)
    return LocalInterface(Options("memory"), Mock(), portal, Mock())


def test_ipv6_only_is_refused_without_asking(fake: FakeInterface) -> None:
    with pytest.raises(socket.gaierror, match="IPv6 is off") as caught:
        socket.getaddrinfo("www.example", 80, socket.AF_INET6)
    assert caught.value.errno == socket.EAI_ADDRFAMILY
    assert fake.asked == []


def test_the_engine_thread_must_not_wait(fake: FakeInterface) -> None:
    fake.blocking = False
    with pytest.raises(socket.gaierror, match="runs the engine"):
        socket.gethostbyname("www.example")
    assert socket.gethostbyname("192.0.2.1") == "192.0.2.1"
    assert fake.asked == []


# -- this host and the way back


def test_the_name_of_this_host_is_the_station(fake: FakeInterface) -> None:
    name = socket.gethostname()
    fake.station_ip = "192.0.2.7"
    assert socket.gethostbyname(name) == "192.0.2.7"
    assert socket.gethostbyaddr("192.0.2.7") == (name, [], ["192.0.2.7"])
    assert socket.gethostbyaddr(name) == (name, [], ["192.0.2.7"])
    assert socket.getfqdn() == name
    assert socket.getfqdn("192.0.2.7") == name
    fake.station_ip = None
    with pytest.raises(socket.gaierror) as caught:
        socket.gethostbyname(name)
    assert caught.value.errno == socket.EAI_AGAIN
    assert fake.asked == []


def test_no_reverse_look_up_leaves(fake: FakeInterface) -> None:
    fake.station_ip = "192.0.2.7"
    assert socket.gethostbyaddr("127.0.0.1") == ("localhost", [], ["127.0.0.1"])
    for unknown in ("192.0.2.1", "www.example"):
        with pytest.raises(socket.herror, match="Unknown host"):
            socket.gethostbyaddr(unknown)
        assert socket.getfqdn(unknown) == unknown
    assert socket.getnameinfo(("192.0.2.1", 80), 0) == ("192.0.2.1", "http")
    assert socket.getnameinfo(("192.0.2.1", 80), socket.NI_NUMERICSERV) == ("192.0.2.1", "80")
    with pytest.raises(socket.gaierror):
        socket.getnameinfo(("192.0.2.1", 80), socket.NI_NAMEREQD)
    assert fake.asked == []


def test_what_the_host_serves_is_asked_of_the_host() -> None:
    with using(FakeInterface(direct="127.0.0.0/8,localhost")) as fake:
        assert socket.gethostbyname("localhost") == "127.0.0.1"
        assert socket.gethostbyname_ex("localhost")[2] == ["127.0.0.1"]
        assert socket.gethostbyaddr("127.0.0.1") == stdlib.gethostbyaddr("127.0.0.1")
        assert socket.getnameinfo(("127.0.0.1", 80), 0) == stdlib.getnameinfo(("127.0.0.1", 80), 0)
        assert socket.getaddrinfo("localhost", 80, socket.AF_INET) == stdlib.getaddrinfo(
            "localhost", 80, socket.AF_INET
        )
        assert fake.asked == []


@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.getnameinfo("not a tuple", 0),
        lambda net: net.getnameinfo(("127.0.0.1",), 0),
        lambda net: net.getnameinfo(("no numeric host", 80), 0),
        lambda net: net.getnameinfo(("127.0.0.1", 80)),
        lambda net: net.gethostbyname("a\0b"),
        lambda net: net.gethostbyname(7),
        lambda net: net.gethostbyname(),
        lambda net: net.gethostbyaddr(7),
        lambda net: net.gethostbyname_ex(None),
    ],
)
def test_arguments_that_are_none(fake: FakeInterface, call: Any) -> None:
    outcomes = []
    for net in (stdlib, socket):
        with pytest.raises((TypeError, OSError)) as caught:
            call(net)
        outcomes.append(caught.type)
    assert outcomes[0] is outcomes[1]


@pytest.mark.parametrize("host", ["", "127.1", "<broadcast>", "0.0.0.0"])
def test_gethostbyname_of_what_is_no_name(fake: FakeInterface, host: str) -> None:
    assert socket.gethostbyname(host) == stdlib.gethostbyname(host)
