"""Clients that lie, files that are in the way, users without the right: a clear error, others undisturbed."""

from __future__ import annotations

import _socket
import errno
import json
import os
import resource
import shutil
import socket as stdlib
import subprocess
import sys
import tempfile
from array import array
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

import esp32sock
from esp32sock.at.commands import basic, wifi
from esp32sock.broker import protocol, records, socket_file, values
from esp32sock.broker.access import Access, Right
from esp32sock.engine.requests import DEFAULT_OPTIONS
from esp32sock.errors import Error
from esp32sock.socket import socket
from tests.broker.harness import PATIENCE_S, peer, served, until
from tests.e2e.support import run_esp32sock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.broker.harness import Served

HELLO = protocol.Hello(protocol.VERSION, "a test")


@pytest.fixture(autouse=True)
def undisturbed(broker: Served) -> Iterator[None]:
    """Whatever a client did, the broker goes on and has nothing open."""
    yield
    with esp32sock.open_interface(broker.url) as interface:
        interface.execute(basic.Test())
        until(lambda: not interface.status().links)


def caller(broker: Served, *messages: Any) -> stdlib.socket:
    sock = stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_SEQPACKET)
    sock.settimeout(PATIENCE_S)
    sock.connect(broker.path)
    for message in messages:
        sock.send(message if isinstance(message, bytes) else records.encoded(message))
    return sock


def refusal(sock: stdlib.socket) -> Error:
    """The error by which the broker ends the connection."""
    while (received := records.receive(sock)) is not None:
        if isinstance(received[0], protocol.Refused):
            assert records.receive(sock) is None
            return received[0].error
    raise AssertionError("the connection ended without a reason")


STREAM = protocol.OpenStream(7, (1, 2), ("10.0.2.2", 9), DEFAULT_OPTIONS, 0, None, 0.0, None)

BAD_RECORDS: dict[str, bytes] = {
    "no JSON": b"\xff\xfe{",
    "nothing of ours": b"[1, 2, 3]",
    "deep": b"[" * 5000 + b"]" * 5000,
    "an unknown type": b'{"data":"os.system","fields":{}}',
    "a module's name": b'{"data":"subprocess.Popen","fields":{"args":["true"]}}',
    "a field of a wrong type": b'{"data":"protocol.Call","fields":{"number":"x","verb":null}}',
    "an unknown field": b'{"data":"protocol.GetStatus","fields":{"x":1}}',
    "an error without fields": b'{"error":"Error","fields":5}',
    "no number": b'{"data":"protocol.Call","fields":{"number":NaN,"verb":null}}',
    "an answer": records.encoded(protocol.Reply(1, None)),
    "a stream without its ends": records.encoded(protocol.Call(0, STREAM)),
    "too long": b'"' + b"x" * (protocol.MAX_BYTES + 1) + b'"',
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_what_is_no_message_ends_that_client_alone(broker: Served, name: str) -> None:
    with caller(broker, HELLO, BAD_RECORDS[name]) as sock:
        assert refusal(sock).errno == errno.EPROTO


def test_another_version_is_named(broker: Served) -> None:
    with caller(broker, protocol.Hello(99, "from the future")) as sock:
        assert "version 99" in str(refusal(sock))


def test_a_first_message_that_is_no_hello(broker: Served) -> None:
    with caller(broker, protocol.Call(1, protocol.GetStatus())) as sock:
        assert "Hello" in str(refusal(sock))


def test_an_unknown_module_is_named(broker: Served) -> None:
    with pytest.raises(OSError, match="no module 'other'") as refused:
        esp32sock.open_interface(f"{broker.url}#other")
    assert refused.value.errno == errno.ENODEV


def test_descriptors_of_the_wrong_kind(broker: Served) -> None:
    with open(os.devnull, "rb") as null, stdlib.socket() as inet, caller(broker, HELLO) as sock:
        descriptors = [null.fileno(), inet.fileno()]
        stdlib.send_fds(sock, [records.encoded(protocol.Call(0, STREAM))], descriptors)
        assert "descriptor" in str(refusal(sock))


def test_what_came_with_a_descriptor_of_the_wrong_kind_is_closed() -> None:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    sent, kept = stdlib.socketpair()
    with closing(ours), closing(theirs), kept, open(os.devnull, "rb") as null:
        with sent:
            rights = array("i", [sent.fileno(), null.fileno()])
            theirs.sendmsg([b"{}"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        with pytest.raises(values.InvalidMessage, match="no socket") as raised:
            records.receive(ours)
        assert raised.value.__traceback__ is not None  # it keeps the frames, and they no descriptor
        kept.settimeout(PATIENCE_S)
        assert kept.recv(1) == b""


@pytest.mark.parametrize(
    "verb",
    [
        protocol.Listen(3, (1, 2), 70000, 5),
        protocol.Listen(3, (1, 2), 80, -1),
    ],
)
def test_numbers_out_of_range_fail_their_own_link(broker: Served, verb: protocol.Listen) -> None:
    ours, theirs = stdlib.socketpair()
    with ours, theirs, caller(broker, HELLO) as sock:
        records.receive(sock)
        stdlib.send_fds(sock, [records.encoded(protocol.Call(0, verb))], [theirs.fileno()])
        received = records.receive(sock)
        assert received is not None
        assert isinstance(received[0].event, protocol.Failed)


def test_a_filler_that_is_not_there(broker: Served) -> None:
    with peer(lambda sock: sock.recv(1) and None) as address:
        verb = protocol.OpenStream(3, (1, 2), address, DEFAULT_OPTIONS, 1000, 10.0, 5.0, None)
        ours, theirs = stdlib.socketpair()
        with ours, theirs, caller(broker, HELLO) as sock:
            records.receive(sock)
            signal, other = stdlib.socketpair()
            with signal, other:
                record = records.encoded(protocol.Call(0, verb))
                stdlib.send_fds(sock, [record], [theirs.fileno(), other.fileno()])
            received = records.receive(sock)
            assert received is not None
            assert isinstance(received[0].event, protocol.Opened)


KEY = (1, 2)
ADDRESS = ("10.0.2.77", 9)
"""Of no host: connecting goes on when the client is gone."""
VERBS: list[tuple[protocol.Verb, int]] = [
    (protocol.OpenStream(7, KEY, ADDRESS, DEFAULT_OPTIONS, 0, None, 0.0, None), 2),
    (protocol.OpenDatagram(7, KEY, 0, ADDRESS), 1),
    (protocol.Listen(7, KEY, 8080, 5), 1),
    (protocol.NoteBound(KEY, ("0.0.0.0", 8080)), 0),
    (protocol.NotePeer(KEY, ADDRESS), 0),
    (protocol.Accept(7, KEY), 0),
    (protocol.Announce(KEY), 0),
    (protocol.Find(KEY), 0),
    (protocol.Abandon(7), 0),
    (protocol.Cancel(7), 0),
    (protocol.SetOptions(7, DEFAULT_OPTIONS), 0),
    (protocol.Resolve("a.invalid"), 0),
    (protocol.Execute(wifi.Mode(), None, False), 0),
    (protocol.Join("nowhere", "", None, 5.0, False), 0),
    (protocol.GetStatus(), 0),
    (protocol.GetStats(), 0),
    (protocol.Watch(True), 0),
    (protocol.Finish(), 0),
]
"""Every verb, and how many descriptors come with it."""


def test_a_client_that_dies_in_each_verb_leaves_nothing(broker: Served) -> None:
    assert {type(verb) for verb, _ in VERBS} == set(get_args(protocol.Verb))
    for verb, count in VERBS:
        pairs = [stdlib.socketpair() for _ in range(count)]
        with caller(broker, HELLO) as sock, ExitStack() as opened:
            for end in (end for pair in pairs for end in pair):
                opened.enter_context(end)
            stdlib.send_fds(
                sock, [records.encoded(protocol.Call(5, verb))], [theirs.fileno() for _, theirs in pairs]
            )
    with esp32sock.open_interface(broker.url) as interface:
        until(lambda: not interface.status().links)
        interface.execute(basic.Test())


def test_a_client_that_reads_nothing_is_dropped(broker: Served) -> None:
    with caller(broker, HELLO) as sock:
        sock.settimeout(0.2)
        record = records.encoded(protocol.Call(5, protocol.GetStatus()))
        with pytest.raises((BrokenPipeError, ConnectionResetError, TimeoutError)):  # noqa: PT012
            for _ in range(200_000):
                sock.send(record)


def test_a_broker_out_of_descriptors_fails_what_needs_them_and_goes_on(broker: Served) -> None:
    pid = broker.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with (
        esp32sock.open_interface(broker.url, direct=()) as interface,
        interface.use(),
        peer(lambda sock: sock.recv(1) and None) as address,
        ExitStack() as opened,
    ):
        used = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
            with pytest.raises(OSError, match=r"[Tt]oo many"):  # noqa: PT012
                for _ in range(5):
                    opened.enter_context(socket()).connect(address)
            interface.execute(basic.Test())
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        opened.close()
        until(lambda: not interface.status().links)
        with socket() as sock:
            sock.connect(address)


def test_a_second_broker_says_what_is_in_its_way(broker: Served, tmp_path: Path) -> None:
    same_socket = run_esp32sock("serve", "--port", "sim://", "--socket", broker.path)
    assert same_socket.returncode == 1
    assert f"cannot listen at {broker.path}" in same_socket.stderr
    same_port = run_esp32sock("serve", "--port", broker.module.port, "--socket", str(tmp_path / "other"))
    assert same_port.returncode == 69
    assert broker.module.port in same_port.stderr
    assert not (tmp_path / "other").exists()


def test_a_path_that_a_dead_broker_left_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with closing(_socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)) as dead:
        dead.bind(path)
    assert not socket_file.answers(path)
    with socket_file.listening(path):
        assert socket_file.answers(path)
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert not os.path.exists(path)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(Error, match="no socket") as refused, socket_file.listening(str(path)):
        raise AssertionError("not reached")
    assert refused.value.errno == errno.EEXIST
    assert path.read_text() == "mine"


def test_attaching_to_what_is_no_broker(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="esp32sock serve"):
        esp32sock.open_interface(f"unix:{tmp_path}/none")
    with stdlib.socket(stdlib.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        with pytest.raises(OSError, match="no broker"):
            esp32sock.open_interface(f"unix:{tmp_path}/other")


def test_options_of_the_module_are_the_brokers() -> None:
    with pytest.raises(ValueError, match="baudrate"):
        esp32sock.open_interface("unix:/nowhere", baudrate=9600)
    with pytest.raises(ValueError, match="broker"):
        esp32sock.open_interface(esp32sock.Options("unix:/nowhere"))


# -- rights -------------------------------------------------------------------------------------------

DOORS: dict[Right, Callable[[Any], object]] = {
    Right.LOOK: lambda interface: interface.status(),
    Right.CONNECT: lambda interface: interface.resolve("example.com"),
    Right.LISTEN: lambda interface: interface.take_connection((0, 0)),
    Right.COMMAND: lambda interface: interface.execute(basic.Test()),
}

# Another user: the interpreter has everything loaded, then gives its rights up for good.
OTHER_USER = """
import os, sys, esp32sock
from esp32sock.broker import client
from esp32sock.net.routes import Routes
from esp32sock.at.commands import basic
from esp32sock.broker.access import Right
from tests.broker.test_bad_input import DOORS
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    interface = client.connect(sys.argv[1], Routes())
except PermissionError as error:
    print("no entry"); raise SystemExit
for right, door in DOORS.items():
    try:
        door(interface)
        print(right.value, "yes")
    except PermissionError:
        print(right.value, "no")
    except OSError:
        print(right.value, "yes")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), "no entry"),
        (("--allow", "root=all"), "no entry"),
        (("--allow", "*=look,connect"), "look yes, connect yes, listen no, command no"),
    ],
)
def test_another_user_has_what_it_was_given(rules: tuple[str, ...], expected: str) -> None:
    folder = tempfile.mkdtemp(prefix="broker-")
    os.chmod(folder, 0o755)
    try:
        with served(Path(folder), *rules) as broker:
            words = [sys.executable, "-c", OTHER_USER, broker.url]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            assert ", ".join(done.stdout.split("\n")[:-1]) == expected, done.stderr
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("rule", ["root", "no-such-user=look", "root=fly", "@no-such-group=look"])
def test_rules_that_make_no_sense_are_named(rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Access.parse([rule])


# -- values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        wifi.Join("a network", 'pass"word', None),
        protocol.Lines((b"+CWLAP:\xff", b""), basic.Version().parse([b"AT version:2.4.0.0(x)"], None)),  # type: ignore[arg-type]
        (1, 2.5, None, True, "text", b"\0\xff", [(), [1]], {"a": 1, 2: (3,)}),
    ],
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert values.loads(values.dumps(value)) == value


def test_no_secret_is_shown_by_a_message() -> None:
    verb = protocol.Join("network", "secret", None, None, False)
    assert "secret" not in repr(protocol.Call(1, verb))
    assert "secret" not in repr(protocol.Call(1, protocol.Execute(wifi.Join("x", "secret"), None, False)))


def test_what_has_no_type_of_the_protocol_cannot_be_sent() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        values.dumps(object())
    assert json.loads(values.dumps(basic.Test())) == {"data": "basic.Test", "fields": {}}
