"""Passthrough through its two doors: a socket for programs without trio, a stream for those with it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import select
import signal
import socket
import threading
import time
import tty
from contextlib import contextmanager

import pytest
import trio

import esp32sock
import esp32sock.trio
from esp32sock.at.commands import basic
from esp32sock.simulator import BackgroundModule, Settings
from tests.e2e.support import HOST

URL = "sim://2.4"


@contextmanager
def peer(serve, *, connections=1):
    """A server on loopback that gives each connection to `serve`; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            for _ in range(connections):
                connection, _ = listener.accept()
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def test_a_socket_for_everybody():
    with peer(echo) as port, esp32sock.passthrough(HOST, port, url=URL) as sock:
        sock.settimeout(20)
        sock.sendall(b"hello")
        assert select.select([sock], [], [], 20)[0] == [sock]
        assert sock.recv(100, socket.MSG_PEEK) == b"hello"
        with sock.makefile("rb") as reader:
            sock.sendall(b" line\n")
            assert reader.readline() == b"hello line\n"
    assert sock.reconnected is False
    assert sock.fileno() == -1


def test_a_lot_of_it_with_pluses_in_it():
    chance = random.Random(5)
    sent = b"".join(chance.randbytes(997) + b"+++" for _ in range(300))
    with peer(echo) as port, esp32sock.passthrough(HOST, port, url=URL) as sock:
        sock.settimeout(30)
        writer = threading.Thread(target=sock.sendall, args=(sent,))
        writer.start()
        received = b""
        while len(received) < len(sent):
            received += sock.recv(65536)
        writer.join()
        assert received == sent


def test_what_was_sent_last_is_delivered():
    heard = hashlib.sha256()
    done = threading.Event()

    def listen(connection):
        while data := connection.recv(65536):
            heard.update(data)
        done.set()

    sent = bytes(100_000)
    with peer(listen) as port, esp32sock.passthrough(HOST, port, url=URL) as sock:
        sock.sendall(sent)
    assert done.wait(20)
    assert heard.digest() == hashlib.sha256(sent).digest()


def test_it_goes_into_asyncio():
    async def talk(sock):
        reader, writer = await asyncio.open_connection(sock=sock.dup())
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()

    with peer(echo) as port, esp32sock.passthrough(HOST, port, url=URL) as sock:
        asyncio.run(talk(sock))


def test_a_peer_that_closes_is_connected_to_again_and_that_is_told():
    def once(connection):
        connection.sendall(connection.recv(100))

    told = []
    with peer(once, connections=2) as port:
        with esp32sock.passthrough(HOST, port, url=URL, on_link=told.append) as sock:
            sock.settimeout(20)
            sock.sendall(b"one")
            assert sock.recv(100) == b"one"
            while told != [False, True]:
                assert not select.select([sock], [], [], 0.01)[0]
            sock.sendall(b"two")
            assert sock.recv(100) == b"two"
        assert sock.reconnected is True


@pytest.mark.parametrize(("url", "number"), [(URL, errno.ECONNREFUSED), ("/nowhere/tty", errno.ENOENT)])
def test_what_cannot_be_had_says_so(url, number):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match=f"passthrough to {HOST}:{port}") as caught,
            esp32sock.passthrough(HOST, port, url=url),
        ):
            pytest.fail("no server listens")
    assert caught.value.errno == number


def test_it_needs_a_port(monkeypatch):
    monkeypatch.delenv("ESP32SOCK_PORT", raising=False)
    with pytest.raises(ValueError, match="ESP32SOCK_PORT"), esp32sock.passthrough(HOST, 1):
        pytest.fail("there is none")


def test_a_lost_port_is_an_end_within_and_an_oserror_behind():
    module = BackgroundModule(Settings(profile="2.4"))

    def lose_it():
        with peer(echo) as port, esp32sock.passthrough(HOST, port, url=module.path) as sock:
            module.controls.unplug(seconds=60)
            sock.settimeout(20)
            assert sock.recv(10) == b""

    try:
        with pytest.raises(OSError, match=f"passthrough to {HOST}.*was lost") as caught:
            lose_it()
        assert caught.value.errno == errno.ENETDOWN
    finally:
        module.stop()


def test_an_interrupt_while_it_begins_is_not_waited_with():
    """The module says nothing: looking for it would go on for seconds."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    person = threading.main_thread().ident

    def interrupt():
        os.read(ours, 100)
        signal.pthread_kill(person, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    started = time.monotonic()
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            esp32sock.passthrough(HOST, 1, url=os.ttyname(theirs)),
        ):
            pytest.fail("nobody answers")
        assert time.monotonic() - started < 2
        assert not any(thread.name == "esp32sock passthrough" for thread in threading.enumerate())
    finally:
        thread.join()
        os.close(ours)
        os.close(theirs)


def test_a_forked_child_does_not_keep_the_port():
    module = BackgroundModule(Settings(profile="2.4"))
    ours, childs = socket.socketpair()
    with ours, childs:
        interface = esp32sock.open_interface(module.path)
        child = os.fork()
        if child == 0:
            childs.recv(1)
            os._exit(0)
        try:
            assert interface.execute(basic.Test()) is None, "the parent's port is as it was"
            interface.close()
            esp32sock.open_interface(module.path).close()
        finally:
            ours.send(b"x")
            os.waitpid(child, 0)
            interface.close()
            module.stop()


def test_an_error_within_is_the_users():
    with peer(echo) as port, pytest.raises(KeyError), esp32sock.passthrough(HOST, port, url=URL):
        raise KeyError


async def test_a_stream_for_trio():
    with peer(echo) as port:
        async with esp32sock.trio.open_passthrough(HOST, port, url=URL) as stream:
            assert isinstance(stream, trio.abc.Stream)
            await stream.send_all(b"+++")
            received = b""
            with trio.fail_after(20):
                while len(received) < 3:
                    received += await stream.receive_some()
            assert received == b"+++"
        assert stream.reconnected is False


async def test_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(20)
        port = other.getsockname()[1]
        async with esp32sock.trio.open_passthrough(HOST, port, "UDP", url=URL) as stream:
            await stream.send_all(b"ping")
            data, sender = await trio.to_thread.run_sync(other.recvfrom, 100)
            assert data == b"ping"
            other.sendto(b"pong", sender)
            with trio.fail_after(20):
                assert await stream.receive_some() == b"pong"
