"""A session and a simulated module, mouth to ear: no port, no trio, and no time but what they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from esp32sock.at.commands import basic, tcpip
from esp32sock.at.events import CommandDone, CommandFailed, DataReceived, Event, ModuleRestarted
from esp32sock.at.framing import NEED_DATA
from esp32sock.at.session import Session
from esp32sock.simulator import Device, MemoryNetwork, Settings
from esp32sock.simulator.network.memory import TlsPeer

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.simulator.network.memory import Connection

R = TypeVar("R")

HOST = "10.0.2.2"
ALL_BYTES = 1 << 20
PATIENCE_S = 300.0


async def echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)


class Talk:
    """One module of a profile and the session that talks to it, set up as far as asking who it is."""

    def __init__(self, profile: str, *, mux: bool = False, **settings: Any) -> None:
        self.profile = profile
        self.network = MemoryNetwork(names={"host.test": HOST})
        self.network.listen(HOST, 7000, echo)
        self.network.listen(HOST, 7443, echo, tls=TlsPeer())
        self.network.answer_datagrams(HOST, 7005, lambda data: [data])
        self.network.update = "4.1.1.0"
        self.module = Device(Settings(profile=profile, **settings), self.network)
        self.session = Session(mux=False)
        self.session.port_opened()
        self.now = 0.0
        self.events: list[Event] = []
        self.payload = b""
        self.run(basic.Echo(on=False))
        self.session.firmware = self.run(basic.Version())
        if mux:
            self.run(tcpip.SetMultiplexed(on=True))
        self.session.set_up()

    def run(self, command: Command[R]) -> R:
        """Execute a command; its typed result, or its error raised."""
        before = len(self.events)
        self.session.send(command, self.now)
        end = self.wait_for(CommandDone | CommandFailed, after=before)
        if isinstance(end, CommandFailed):
            raise end.error
        assert isinstance(end, CommandDone)
        self._confirm(command)
        return command.parse(end.lines, self.session.firmware)

    def _confirm(self, command: Command[Any]) -> None:
        """An OK without CONNECT says nothing (the document): the link is open if it is listed."""
        links = self.session.links
        if command.opens is not None and links.needs_confirmation(command.opens):
            listed = command.opens in {link.link_id for link in self.run(tcpip.Links())}
            links.confirm(command.opens, listed=listed)

    def restarted(self) -> bool:
        """Whether it restarts within the time that anybody waits."""
        self.wait_for(ModuleRestarted)
        return True

    def wait_for(self, kind: Any, *, after: int = 0) -> Event:
        """The first event of that kind, from the `after`th on."""
        give_up = self.now + PATIENCE_S
        while not (found := [event for event in self.events[after:] if isinstance(event, kind)]):
            assert self.now < give_up, f"nothing more happens: {self.events[after:]}"
            if not self._carry():
                self._pass_time()
        return found[0]

    def _carry(self) -> bool:
        """Bytes both ways; whether there were any."""
        pieces = [bytes(piece) for piece in self.session.data_to_send(self.now)]
        for piece in pieces:
            self.module.host_wrote(piece, self.now)
        said = self.module.take_output(self.now, ALL_BYTES)
        if said:
            self.session.receive_data(said, self.now)
        self._hear()
        return bool(pieces or said)

    def _hear(self) -> None:
        while (event := self.session.next_event()) is not NEED_DATA:
            if isinstance(event, DataReceived):
                demux = self.session.demux
                self.payload += b"".join(demux.take(link) for link in range(5) if event.links >> link & 1)
            else:
                self.events.append(event)  # type: ignore[arg-type]

    def _pass_time(self) -> None:
        times = [self.module.deadline(), self.module.output_deadline(), self.session.next_deadline()]
        self.now = max(self.now, min((time for time in times if time is not None), default=self.now + 1.0))
        if self.now == float("inf"):
            raise AssertionError(f"nobody waits for anything any more: {self.events}")
        self.module.advance(self.now)
        self.session.handle_deadline(self.now)
