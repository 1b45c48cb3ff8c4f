"""Servers in a few lines of Python, on loopback, for protocols that no package here serves.

Each is a context manager that gives its port. They speak as much of their protocol as a client's usual
session needs, and are strict about the rest.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIL = b"".join(b"line %d of the mail\r\n" % number for number in range(1000))
UNIX_OF_1900 = 2_208_988_800
NOW_UNIX = 1_700_000_000


class _Lines(socketserver.StreamRequestHandler):
    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def words(self) -> list[str]:
        return self.rfile.readline().decode().split()


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    """Serve in a thread while inside."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[index,misc]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def streams(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """A TCP server with this handler, a thread for each connection."""
    with serving(_Streams(("127.0.0.1", 0), handler)) as port:
        yield port


@contextmanager
def datagrams(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """A UDP server with this handler."""
    with serving(socketserver.UDPServer(("127.0.0.1", 0), handler)) as port:
        yield port


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class EchoDatagrams(socketserver.DatagramRequestHandler):
    """Sends back what comes."""

    def handle(self) -> None:
        self.wfile.write(self.rfile.read())


class Dialogue(_Lines):
    """A line protocol as people type it."""

    def handle(self) -> None:
        self.say("welcome")
        while words := self.words():
            if words[0] == "echo":
                self.say(" ".join(words[1:]))
            elif words[0] == "count":
                self.say("".join(f"{number}," for number in range(int(words[1]))))
            else:
                self.say("bye")
                self.wfile.write(b"the rest\r\n")
                return


class Imap(_Lines):
    """RFC 3501, one mailbox with one mail."""

    def handle(self) -> None:
        self.say("* OK ready")
        while words := self.words():
            tag, command = words[0], words[1].upper()
            if command == "CAPABILITY":
                self.say("* CAPABILITY IMAP4rev1")
            elif command == "SELECT":
                self.say("* 1 EXISTS")
            elif command == "FETCH":
                self.say(f"* 1 FETCH (RFC822 {{{len(MAIL)}}}")
                self.wfile.write(MAIL)
                self.say(")")
            elif command == "LOGOUT":
                self.say("* BYE")
            self.say(f"{tag} OK done")
            if command == "LOGOUT":
                return


class Pop(_Lines):
    """RFC 1939, one mail."""

    def handle(self) -> None:
        self.say("+OK ready")
        while words := self.words():
            command = words[0].upper()
            if command == "STAT":
                self.say(f"+OK 1 {len(MAIL)}")
            elif command == "RETR":
                self.say(f"+OK {len(MAIL)} octets")
                self.wfile.write(MAIL)
                self.say(".")
            else:
                self.say("+OK")
            if command == "QUIT":
                return


class Ntp(socketserver.DatagramRequestHandler):
    """RFC 5905, always the same time."""

    def handle(self) -> None:
        asked = self.rfile.read()
        version = asked[0] >> 3 & 7
        now = struct.pack("!II", NOW_UNIX + UNIX_OF_1900, 0)
        head = struct.pack("!BBbb", version << 3 | 4, 2, 0, -20)
        self.wfile.write(head + bytes(4 + 4 + 4) + now + asked[40:48] + now + now)


class Mqtt(socketserver.StreamRequestHandler):
    """MQTT 3.1.1: subscriptions, and publishing at every quality of service."""

    _lock: ClassVar = threading.Lock()
    _subscribers: ClassVar[list[Mqtt]] = []

    def handle(self) -> None:
        try:
            while packet := self._packet():
                self._answer(*packet)
        finally:
            with self._lock:
                if self in self._subscribers:
                    self._subscribers.remove(self)

    def _packet(self) -> tuple[int, bytes] | None:
        first = self.rfile.read(1)
        if not first:
            return None
        length = shift = 0
        while True:
            byte = self.rfile.read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return first[0], self.rfile.read(length)

    def _send(self, head: int, body: bytes) -> None:
        length, size = b"", len(body)
        while True:
            length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
            size >>= 7
            if not size:
                break
        self.wfile.write(bytes([head]) + length + body)

    def _answer(self, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == 1:  # CONNECT
            self._send(0x20, b"\0\0")
        elif kind == 3:  # PUBLISH
            self._publish(head >> 1 & 3, body)
        elif kind == 5:  # PUBREC of ours
            self._send(0x62, body)
        elif kind == 6:  # PUBREL
            self._send(0x70, body)
        elif kind == 8:  # SUBSCRIBE
            with self._lock:
                self._subscribers.append(self)
            self._send(0x90, body[:2] + body[-1:])
        elif kind == 12:  # PINGREQ
            self._send(0xD0, b"")

    def _publish(self, qos: int, body: bytes) -> None:
        end_of_topic = 2 + int.from_bytes(body[:2], "big")
        topic, rest = body[:end_of_topic], body[end_of_topic:]
        identifier, payload = (rest[:2], rest[2:]) if qos else (b"", rest)
        if qos:
            self._send(0x40 if qos == 1 else 0x50, identifier)
        with self._lock:
            for subscriber in self._subscribers:
                subscriber._send(0x30 | qos << 1, topic + identifier + payload)


class Redis(socketserver.StreamRequestHandler):
    """RESP2: a few commands on one store."""

    _lock: ClassVar = threading.Lock()
    _store: ClassVar[dict[bytes, bytes]] = {}
    _listeners: ClassVar[list[Redis]] = []

    def handle(self) -> None:
        queued: list[list[bytes]] | None = None
        try:
            while (line := self.rfile.readline()).startswith(b"*"):
                words = [self._bulk() for _ in range(int(line[1:]))]
                if words[0] == b"MULTI":
                    queued = []
                    answer = b"+OK\r\n"
                elif words[0] == b"EXEC" and queued is not None:
                    answer = b"*%d\r\n" % len(queued) + b"".join(map(self._answer, queued))
                    queued = None
                elif queued is not None:
                    queued.append(words)
                    answer = b"+QUEUED\r\n"
                else:
                    answer = self._answer(words)
                self.wfile.write(answer)
        finally:
            if self in self._listeners:
                self._listeners.remove(self)

    def _bulk(self) -> bytes:
        size = int(self.rfile.readline()[1:])
        return self.rfile.read(size + 2)[:-2]

    def _answer(self, words: list[bytes]) -> bytes:
        command, arguments = words[0].upper(), words[1:]
        with self._lock:
            if command == b"PING":
                return b"+PONG\r\n"
            if command == b"SET":
                self._store[arguments[0]] = arguments[1]
            elif command == b"GET":
                return _bulk(self._store[arguments[0]])
            elif command == b"INCRBY":
                number = int(self._store.get(arguments[0], b"0")) + int(arguments[1])
                self._store[arguments[0]] = b"%d" % number
                return b":%d\r\n" % number
            elif command == b"DEL":
                return b":%d\r\n" % sum(self._store.pop(key, None) is not None for key in arguments)
            elif command == b"SUBSCRIBE":
                self._listeners.append(self)
                return b"*3\r\n" + _bulk(b"subscribe") + _bulk(arguments[0]) + b":1\r\n"
            elif command == b"PUBLISH":
                for listener in self._listeners:
                    message = _bulk(b"message") + _bulk(arguments[0]) + _bulk(arguments[1])
                    listener.wfile.write(b"*3\r\n" + message)
                return b":%d\r\n" % len(self._listeners)
        return b"+OK\r\n"


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)
