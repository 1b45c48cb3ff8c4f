"""The comparison of `engine/reconcile.py`: after one that was not disturbed, both sides have the same.

A small model of a module holds links, peer, mode and server, and says what happens, or keeps it to itself: a
restart, a close, another connection on an id. The session and the Reconciler are the real ones; the rest of
the engine is as little as they need, without trio. An input is steps. What holds:

- a comparison ends, well or with CommandError, however much noise is in the answers;
- after a last one without noise, the links that are believed open are those that the module has, with the
  same kind, peer and ports; a restart was noticed; payload is announced as believed; a server that is gone
  has failed.

Its errors are the model's or the Reconciler's: the model is written from at-dialects 7.1 to 7.9.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import tcpip
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    Contradiction,
    DataReceived,
    DoubtSettled,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleRestarted,
    ModuleSilent,
    OrphanLink,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.framing import LINKS, NEED_DATA
from esp32sock.at.session import Session
from esp32sock.at.state import LinkState, ModuleState
from esp32sock.engine.command_outcome import result_of
from esp32sock.engine.reconcile import Reconciler
from esp32sock.errors import CommandError, Error, ModuleReset, PortError
from fuzz.controls import Controls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from esp32sock.at.commands import Command

UNIT = "bytes"
MAX_BYTES = 512

VERSIONS = ((2, 0, 0, 0), (2, 2, 0, 0), (2, 4, 0, 0), (4, 1, 0, 0))
SERVER_PORT = 8080
MOST_EXCHANGES = 400
"""Deadlines and answers of one command; more is a command that never ends."""
MOST_COMPARISONS = 4
"""After this many without noise both sides must agree."""

NOISE = (
    b"", b"busy p...\r\n", b"\r\nOK\r\n", b"WIFI GOT IP\r\n", b"\r\nERROR\r\n", b"0,CLOSED\r\n",
    b"3,CONNECT\r\n", b"\r\n+IPD,1,4:", b"+CIPMUX:1\r\n", b"\r\nready\r\n", b"?\x80\r\n", b"+CIPSTATUS:0,",
    b"SEND OK\r\n",
)  # fmt: skip


def dictionary() -> list[bytes]:
    return [bytes([step, link]) for step in range(14) for link in (0, 1, 4)] + [bytes([9, 0, 0])]


def seeds() -> Iterator[bytes]:
    for version in range(len(VERSIONS)):
        for happening in range(14):
            for quiet in (0, 0x80):
                yield bytes(
                    [version, 0, 0, 1, 1, 1, 2, 2, 12, 0, 1, 4, happening | quiet, 1, 9, 0, 0, happening, 4]
                )
                yield bytes([version, 0, 0, 0, 1, 1, 3, happening | quiet, 0, 9, 3, 5, 2, 0, 7, 1, 9, 1, 8])


def run(data: bytes) -> int:
    controls = Controls(data)
    bench = Bench(controls.choice(VERSIONS))
    while not controls.is_over:
        bench.step(controls)
    bench.agree()
    return len(data)


@dataclass(frozen=True)
class Connection:
    """One link of the module."""

    kind: str
    host: str
    port: int
    local_port: int
    accepted: bool


class Module:
    """What the module has, and what it answers."""

    def __init__(self, version: tuple[int, int, int, int]) -> None:
        self.version = version
        self.mux = True
        self.peer_info = False
        self.server: int | None = SERVER_PORT
        self.links: dict[int, Connection] = {}
        self.number = 0
        self.slow_commands: list[bytes] = []

    def connection(self, *, accepted: bool) -> Connection:
        """One with a peer that no other has."""
        self.number += 1
        return Connection(
            "TCP",
            f"10.0.{self.number >> 8}.{self.number & 255}",
            1000 + self.number,
            50000 + self.number,
            accepted,
        )

    def restart(self) -> None:
        self.mux = self.peer_info = False
        self.server = None
        self.links.clear()

    def answer(self, line: bytes) -> bytes:
        """What it prints for a command line."""
        ok = b"\r\nOK\r\n"
        if match := re.fullmatch(rb"AT\+CIPCLOSE=(\d)\r\n", line):
            link = self.links.pop(int(match[1]), None)
            return b"\r\nERROR\r\n" if link is None or not self.mux else match[1] + b",CLOSED\r\n" + ok
        if match := re.fullmatch(rb'AT\+CIPSTART=(\d),"TCP","10.0.2.2",80\r\n', line):
            if not self.mux or int(match[1]) in self.links:
                return b"\r\nERROR\r\n"
            self.links[int(match[1])] = self.connection(accepted=False)
            return match[1] + b",CONNECT\r\n" + ok
        match line:
            case b"AT+CIPMUX?\r\n":
                return b"+CIPMUX:%d\r\n" % self.mux + ok
            case b"AT+CIPMODE?\r\n":
                return b"+CIPMODE:0\r\n" + ok
            case b"AT+CIPDINFO?\r\n":
                return b"+CIPDINFO:" + (b"TRUE" if self.peer_info else b"FALSE") + b"\r\n" + ok
            case b"AT+CIPDINFO=0\r\n" | b"AT+CIPDINFO=1\r\n":
                self.peer_info = line[12:13] == b"1"
                return ok
            case b"AT+CIPSTATUS\r\n":
                return b"STATUS:3\r\n" + self._listed(b"+CIPSTATUS:") + ok
            case b"AT+CIPSTATE?\r\n" if self.version >= (2, 4):
                return self._listed(b"+CIPSTATE:") + ok
            case b"AT+CIPSERVER?\r\n":
                if self.server is None:
                    return b"+CIPSERVER:0\r\n" + ok
                return b'+CIPSERVER:1,%d,"TCP",0\r\n' % self.server + ok
        return b"\r\nERROR\r\n"

    def _listed(self, name: bytes) -> bytes:
        listed = b""
        for number, link in sorted(self.links.items()):
            ports = f"{link.port},{link.local_port},{link.accepted:d}"
            listed += name + f'{number},"{link.kind}","{link.host}",{ports}\r\n'.encode()
        return listed


class Pump:
    """Who believes in a link."""

    def __init__(self, link_id: int) -> None:
        self.link_id = link_id
        self.error: Error | None = None

    def fail(self, error: Error) -> None:
        self.error = error


class Server(SimpleNamespace):
    """The server that the engine believes in."""

    port = SERVER_PORT
    is_ipv6 = is_ending = False

    def fail(self, error: Error) -> None:
        self.is_ending = True


class Channel:
    """The part of `engine/channel.py` that a comparison uses, on a module that answers at once."""

    def __init__(self, module: Module, bench: Bench) -> None:
        self.module, self.bench = module, bench
        self.session = Session()
        self.session.firmware = Firmware(module.version)
        self.session.port_opened()
        self.session.set_up()
        self.now = 0.0
        self.noise = b""
        self.doubt = True
        self.comparing = False
        self._outcome: CommandDone | CommandFailed | None = None

    async def execute_exclusive(self, command: Command[Any], *, timeout: float | None = None) -> Any:
        """CommandError and its like as the real one; the answer comes at once, with what noise there is."""
        session = self.session
        while not session.idle:
            self._pass_time()
        if session.module.state is not ModuleState.READY:
            raise ModuleReset("the module restarted")
        self._outcome = None
        session.send(command, self.now)
        self._flush()
        for _ in range(MOST_EXCHANGES):
            if self._outcome is not None:
                return result_of(command, self._outcome, session.firmware)
            if session.module.state is not ModuleState.READY:
                raise ModuleReset("the module restarted")
            self._pass_time()
        raise AssertionError(f"{command} never ends")

    def _pass_time(self) -> None:
        due = self.session.next_deadline()
        assert due < float("inf"), "nothing is waited for, and nothing has ended"
        self.now = max(self.now, due)
        self.session.handle_deadline(self.now)
        self.dispatch()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        yield

    def missed_restart(self, evidence: str) -> None:
        self.session.missed_restart(evidence)
        self.dispatch()

    def dispatch(self) -> None:
        self._events()
        self._flush()

    def hear(self, data: bytes) -> None:
        self.now += 0.001
        self.session.receive_data(data, self.now)
        self.dispatch()

    def _flush(self) -> None:
        for piece in self.session.data_to_send(self.now):
            answer = self.module.answer(bytes(piece))
            spoilt = self.noise[:1]
            self.noise = self.noise[1:]
            if spoilt:
                number = spoilt[0]
                noise = NOISE[number % len(NOISE)]
                answer = (noise + answer, answer + noise, answer[: number >> 4], noise)[number >> 6]
            self.now += 0.001
            self.session.receive_data(answer, self.now)
            self._events()

    def _events(self) -> None:
        while (event := self.session.next_event()) is not NEED_DATA:
            if isinstance(event, CommandDone | CommandFailed):
                self._outcome = event
            else:
                self.bench.event(event)


class Bench:
    """An engine of the least size: it believes in links, and compares."""

    def __init__(self, version: tuple[int, int, int, int]) -> None:
        self.module = Module(version)
        self.pool = SimpleNamespace(pumps={}, listed={}, changed=lambda: None)
        self.server = Server()
        self.context: Any = SimpleNamespace(
            counters=SimpleNamespace(comparisons=0, repairs=0),
            firmware=Firmware(version),
            pool=self.pool,
            server=self.server,
        )
        self.channel = Channel(self.module, self)
        self.orphans: set[int] = set()
        self.restarts = 0
        station: Any = SimpleNamespace(read_addresses=self._read_addresses)
        self.reconciler = Reconciler(self.context, station)

    async def _read_addresses(self, channel: Channel) -> None:
        """The addresses are another file's."""

    # What the engine does with events

    def event(self, event: object) -> None:
        match event:
            case LinkOpened(accepted=True) if self.server.is_ending:
                self.orphans.add(event.link_id)
            case LinkOpened():
                if event.link_id not in self.pool.pumps:
                    self._believe(event.link_id)
            case LinkClosed():
                links = self.channel.session.links
                if links[event.link_id].generation == event.generation:
                    links.release(event.link_id)
                self._forget(event.link_id)
            case LinkFault() if event.link_id in self.pool.pumps:
                self.pool.pumps[event.link_id].fail(Error(event.reason))
            case LinkFault() | OrphanLink():
                self.orphans.add(event.link_id)
            case DataReceived():
                for link_id in range(LINKS):
                    if event.links >> link_id & 1:
                        self.channel.session.demux.take(link_id)
            case ModuleRestarted():
                self.restarts += 1
                self.server.is_ending = True
            case ModuleSilent():
                self.server.is_ending = True
                self.channel.session.fell_silent(PortError("silent"))
            case DoubtSettled():
                self.channel.doubt = True
            case Contradiction() if not self.channel.comparing:
                self.channel.doubt = True

    def _believe(self, link_id: int) -> None:
        self.pool.pumps[link_id] = Pump(link_id)

    def _forget(self, link_id: int) -> None:
        self.pool.pumps.pop(link_id, None)
        self.pool.listed.pop(link_id, None)

    # Steps

    def step(self, controls: Controls) -> None:
        """Something happens; with the highest bit nothing is said of it."""
        what = controls.byte()
        link_id, is_unheard = controls.byte() % LINKS, bool(what & 0x80)
        module, channel = self.module, self.channel
        said = b""
        match what & 0x0F:
            case 0 | 1:
                self.open(link_id, listed=not what & 0x20)
            case 2 if module.mux and module.server is not None and link_id not in module.links:
                module.links[link_id] = module.connection(accepted=True)
                said = b"%d,CONNECT\r\n" % link_id
            case 3 if link_id in module.links:
                del module.links[link_id]
                said = b"%d,CLOSED\r\n" % link_id
            case 4 if link_id in module.links and module.server is not None:
                module.links[link_id] = module.connection(accepted=True)
                said = b"%d,CLOSED\r\n%d,CONNECT\r\n" % (link_id, link_id)
            case 5:
                module.restart()
                said = b"\r\nready\r\n"
            case 6 if link_id in module.links:
                said = b"\r\n+IPD,%d,5:hello\r\n" % link_id
            case 7:
                self.run(self._close(link_id))
            case 8:
                module.peer_info = not module.peer_info
            case 9:
                channel.noise = controls.take(controls.byte() % 16)
                channel.doubt = True
                self.compare()
                channel.noise = b""
            case 10:
                module.server = None
            case 11 if link_id in module.links:
                self.note(link_id)
            case _:
                said = NOISE[link_id]
        if said and not is_unheard:
            channel.hear(said)
        self.tidy()

    def open(self, link_id: int, *, listed: bool) -> None:
        """The engine opens a link as `engine/tcp_link.py` does, and keeps what is listed of it, or not."""
        links = self.channel.session.links
        if links[link_id].state is not LinkState.FREE or link_id in self.pool.pumps:
            return
        self._believe(link_id)
        try:
            self.run(self.channel.execute_exclusive(tcpip.OpenTcp(link_id, "10.0.2.2", 80)))
            shown = self.run(self.channel.execute_exclusive(tcpip.Links()))
        except (CommandError, ModuleReset):
            self.run(self._close(link_id))
            return
        numbers = {link.link_id: link for link in shown}
        if links.needs_confirmation(link_id):
            links.confirm(link_id, listed=link_id in numbers)
            self.channel.dispatch()
        if links[link_id].state is not LinkState.OPEN:
            self._forget(link_id)
        elif listed and link_id in numbers:
            self.pool.listed[link_id] = numbers[link_id]

    def note(self, link_id: int) -> None:
        """The engine knows what the module lists of a link that it believes in."""
        if link_id in self.pool.pumps and link_id not in self.pool.listed:
            try:
                shown = self.run(self.channel.execute_exclusive(tcpip.Links()))
            except (CommandError, ModuleReset):
                return
            for link in shown:
                if link.link_id == link_id and link_id in self.pool.pumps:
                    self.pool.listed[link_id] = link

    def tidy(self) -> None:
        """What an engine does next: close what failed and what is nobody's."""
        failed = {link_id for link_id, pump in self.pool.pumps.items() if pump.error is not None}
        for link_id in sorted(failed | self.orphans):
            self.run(self._close(link_id))
        self.orphans.clear()

    async def _close(self, link_id: int) -> None:
        links = self.channel.session.links
        self._forget(link_id)
        if links[link_id].state is LinkState.PEER_CLOSED:
            links.release(link_id)
        links.confirm(link_id, listed=True)
        if links[link_id].state not in (LinkState.FREE, LinkState.OPEN):
            return
        try:
            await self.channel.execute_exclusive(tcpip.Close(link_id))
        except (CommandError, ModuleReset):
            return

    def compare(self) -> None:
        """As `CommandChannel._settle` does, once."""
        channel = self.channel
        if channel.session.module.state is not ModuleState.READY or not channel.doubt:
            return
        channel.doubt, channel.comparing = False, True
        try:
            self.run(self.reconciler.compare(channel, "fuzz"))  # type: ignore[arg-type]
        except (CommandError, ModuleReset):
            channel.doubt = True
        finally:
            channel.comparing = False
        self.tidy()

    @staticmethod
    def run(work: Coroutine[Any, Any, Any]) -> Any:
        """Nothing here waits, so a coroutine is over at its first step."""
        try:
            work.send(None)
        except StopIteration as end:
            return end.value
        work.close()
        raise AssertionError("something waits")

    # What must hold

    def agree(self) -> None:
        """After comparisons without noise both sides have the same."""
        channel, module = self.channel, self.module
        channel.hear(b"\r\n")  # ends what noise may have left unfinished
        channel.now += 20.0
        channel.session.handle_deadline(channel.now)
        channel.dispatch()
        channel.doubt = True
        for _ in range(MOST_COMPARISONS):
            self.compare()
        if channel.session.module.state is not ModuleState.READY:
            assert not self.pool.pumps, "links outlive the module"
            return
        assert not channel.doubt, "the comparison never ends well"
        assert module.mux, "a restart that nobody noticed"
        open_links = {
            number: record
            for number, record in enumerate(channel.session.links.records)
            if record.state is LinkState.OPEN
        }
        gone = set(open_links) - set(module.links)
        if module.version < (2, 4):  # whose list leaves out UDP links: one of unknown kind stays
            gone &= set(self.pool.listed)
        assert not gone, f"{gone} are believed open and are not"
        unknown = set(module.links) - set(open_links)
        assert not unknown, f"{unknown} are open and not believed to be"
        assert set(self.pool.pumps) == set(open_links), "a link without its pump, or the reverse"
        for number, link in self.pool.listed.items():
            real = module.links[number]
            seen = (link.kind, str(link.remote[0]), link.remote[1], link.local_port, link.accepted)
            assert seen == (real.kind, real.host, real.port, real.local_port, real.accepted), (
                "another connection"
            )
        assert module.peer_info == channel.session.demux.recvdata_has_peer, "payload is announced otherwise"
        if module.version >= (2, 2):
            assert self.server.is_ending or module.server == SERVER_PORT, (
                "a server that is gone is believed in"
            )
