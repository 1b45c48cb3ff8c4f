"""The servers that stood behind 10.0.2.2 when the captures were made, on the in-memory network.

Those of fixed behaviour are those of the recorder; behind the ports from 7100 on, and as clients of the
module's server, stand peers that a `Driver` tells what to do, as the remarks of a section say.
"""

from __future__ import annotations

from typing import Any

from esp32sock.simulator.network.memory import Connection, MemoryNetwork, TlsPeer

GATEWAY = "10.0.2.2"
SERVER_PORT = 8080
DRIVEN_PORTS = (*range(7100, 7105), *range(7200, 7206))


async def echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)
    connection.close()


async def banner(connection: Connection) -> None:
    connection.send(b"HELLO\r\n")
    await echo(connection)


async def oneshot(connection: Connection) -> None:
    connection.send(bytes(i % 26 + 65 for i in range(5000)))
    await connection.sleep(0.2)
    connection.close()


async def sink(connection: Connection) -> None:
    while await connection.receive():
        pass
    connection.close()


async def http(connection: Connection) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        data = await connection.receive()
        if not data:
            return
        request += data
    body = b"hello from loopback http\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    connection.send(head + body)
    connection.close()


async def obey(connection: Connection) -> None:
    """Does what the lines it receives say (port 7003).

    What it answers to several lines of one write goes out as one: between it and the emulated module was a
    relay that read all that there was (walk 2014 of 4.1).
    """
    pending = answers = b""
    while True:
        while b"\n" not in pending:
            if answers:
                connection.send(answers)
                answers = b""
            data = await connection.receive()
            if not data:
                connection.close()
                return
            pending += data
        line, _, pending = pending.partition(b"\n")
        words = line.split()
        if not words:
            continue
        if words[0] not in ORDERS:
            answers += b"? " + line + b"\n"
            continue
        if answers:
            connection.send(answers)
            answers = b""
        if not await _obey_line(connection, line + b"\n"):
            return


ORDERS = {b"send", b"bin", b"two", b"stream", b"close", b"half", b"later", b"rst"}


async def _obey_line(connection: Connection, line: bytes) -> bool:
    words = line.decode("latin-1").split()
    match words:
        case ["send", count, *_]:
            connection.send(bytes(i * 7 & 255 for i in range(int(count))))
        case ["bin", *_]:
            connection.send(bytes(range(256)))
        case ["two", seconds, *_]:
            connection.send(b"A" * 10)
            await connection.sleep(float(seconds))
            connection.send(b"B" * 10)
        case ["stream", count, seconds]:
            for number in range(int(count)):
                connection.send(b"<%05d>" % number + b"s" * 291 + b"\r\n")
                await connection.sleep(float(seconds))
            await sink(connection)  # what was sent to it meanwhile got no answer
            return False
        case ["close", *_]:
            connection.close()
            return False
        case ["half", *_]:
            connection.close()
        case ["later", seconds, *_]:
            await connection.sleep(float(seconds))
            connection.send(b"LATER")
        case ["rst", *_]:
            connection.reset()
            return False
    return True


class Driver:
    """Holds the connections whose peers do as the remarks say, the newest of each port."""

    def __init__(self) -> None:
        self.by_port: dict[int, Connection] = {}
        self.received: dict[int, bytearray] = {}
        self.clients: dict[bytes, Connection] = {}
        """Those of the module's server, by the link id that the recording shows."""

    def peer(self, port: int) -> Any:
        async def driven(connection: Connection) -> None:
            self.by_port[port] = connection
            self.received[port] = bytearray()
            while data := await connection.receive():
                self.received[port] += data
            connection.close()

        return driven

    # Clients of the module's server

    def connect(self, network: MemoryNetwork, link: bytes) -> None:
        async def client(connection: Connection) -> None:
            self.clients[link] = connection
            while await connection.receive():
                pass
            connection.close()

        network.connect(SERVER_PORT, client)

    def client_sends(self, link: bytes, data: bytes) -> None:
        connection = self.clients.get(link)
        if connection is not None and not connection.closed:
            connection.send(data)

    def client_closes(self, link: bytes) -> None:
        connection = self.clients.pop(link, None)
        if connection is not None:
            connection.close()


class Names(dict[str, str]):
    """Every name is the gateway but those that do not exist: 1.0 and 2.0."""

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        if name in self:
            return self[name]
        return default if name.endswith(".invalid") or not name.strip() else GATEWAY


def network_of_the_captures(firmware: str, driver: Driver) -> MemoryNetwork:
    """The world behind the access point, as real-firmware 1 describes it."""
    network = MemoryNetwork()
    network.start_unix_s = None  # every CIPSNTPTIME? of every capture is of 1970
    network.names = {"host.test": GATEWAY}
    if firmware in ("v201712", "v2.0"):
        network.names = Names()
    elif firmware == "v4.1dev":
        network.names = {}
    if firmware != "v201712":
        network.names["localhost"] = "127.0.0.1"  # lwIP knows it by itself
    for port, peer in (
        (7000, echo),
        (7001, banner),
        (7002, oneshot),
        (7003, obey),
        (7004, sink),
        (7080, http),
    ):
        network.listen(GATEWAY, port, peer)
    network.listen(GATEWAY, 7443, echo, tls=TlsPeer())
    for port in DRIVEN_PORTS:
        network.listen(GATEWAY, port, driver.peer(port))
    network.answer_datagrams(GATEWAY, 7005, lambda data: [data])
    for address in ("10.0.2.77", "10.0.2.99", "10.0.2.88"):
        network.unreachable(address)
    return network
