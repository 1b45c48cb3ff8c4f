"""The server and the links that it accepts (V1.0 5.2.9, 5.2.12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.link import LINK_COUNT
from esp32sock.simulator.firmware.results import CommandRefused
from esp32sock.simulator.network.api import Accepted, Close, Listen

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.inbound import Inbound
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.firmware.link_table import LinkTable
    from esp32sock.simulator.firmware.links import Links
    from esp32sock.simulator.firmware.network_client import NetworkRequests
    from esp32sock.simulator.firmware.passthrough import Passthrough
    from esp32sock.simulator.firmware.tls import TlsConfiguration
    from esp32sock.simulator.kernel import Timer
    from esp32sock.simulator.network.api import IpVersion


@dataclass(slots=True)
class Listener:
    """The one server, listening."""

    handle: int
    port: int
    kind: str
    ca: int
    interface: int


class Server:
    """Accepts links while it listens, and closes accepted links that are idle for long."""

    def __init__(
        self,
        board: Board,
        table: LinkTable,
        requests: NetworkRequests,
        links: Links,
        inbound: Inbound,
        passthrough: Passthrough,
        tls: TlsConfiguration,
    ) -> None:
        self._board = board
        self._table = table
        self._requests = requests
        self._links = links
        self._inbound = inbound
        self._passthrough = passthrough
        self._tls = tls
        self.listener: Listener | None = None
        self.most_links = LINK_COUNT
        """AT+CIPSERVERMAXCONN."""
        self.timeout_s = 0
        """AT+CIPSTO: 0 is never, on every captured firmware (real-firmware 4)."""
        self._idle_check: Timer | None = None

    @property
    def running(self) -> bool:
        return self.listener is not None

    def reset(self) -> None:
        """The firmware restarts."""
        self.stop()
        self.most_links = LINK_COUNT

    async def start(self, port: int, kind: str, ca: int, interface: int) -> None:
        """Raises CommandRefused if the port cannot be had."""
        tls = self._tls.of_server(ca) if kind.startswith("SSL") else None
        version: IpVersion = 6 if kind.endswith("v6") else 4
        handle = self._requests.new_handle()
        opened = await self._requests.listen(Listen(handle, port, self._links.window_bytes(0), tls, version))
        if opened is None:
            raise CommandRefused
        self.listener = Listener(handle, port, kind, ca, interface)
        self._inbound.choose_listened_soon()

    def stop(self) -> None:
        """Listen no more; accepted links stay (observed 4.1)."""
        listener, self.listener = self.listener, None
        self.timeout_s = 0  # observed 1.0, 2.0
        if listener is not None:
            self._board.request(Close(listener.handle))
            self._inbound.choose_listened_soon()

    # Accepting

    def on_accepted(self, event: Accepted) -> None:
        """A client is there: the lowest free id is its link; one too many is closed, and no line is printed
        (observed 4.1).
        """
        links, listener = self._links, self.listener
        link_id = self._table.lowest_free()
        if listener is None or link_id is None or len(links.accepted()) >= self.most_links:
            self._board.request(Close(event.handle))
            return
        link = links.enter_accepted(link_id, listener.kind, event)
        if not self._passthrough.adopt(link):
            links.announce(link)
        links.start_receiving(link)
        self._watch()

    # Idle links

    def set_timeout(self, seconds: int) -> None:
        self.timeout_s = seconds
        self._watch()

    def _last_sign_s(self, link: Link) -> float:
        both = self._board.profile.tcpip.accepted_times_out == "both"
        return link.last_used_s if both else link.last_received_s

    def _watch(self) -> None:
        """Look again when the first accepted link may have been idle for too long."""
        if self._idle_check is not None:
            self._idle_check.cancel()
            self._idle_check = None
        accepted = self._links.accepted()
        if not self.timeout_s or not accepted:
            return
        due = min(map(self._last_sign_s, accepted)) + self.timeout_s
        self._idle_check = self._board.kernel.call_at(due, self._close_idle)

    def _close_idle(self) -> None:
        now = self._board.now
        self._idle_check = None
        if self.timeout_s:
            for link in self._links.accepted():
                if now - self._last_sign_s(link) >= self.timeout_s - 1e-6:
                    self._links.close(link)
        self._watch()
