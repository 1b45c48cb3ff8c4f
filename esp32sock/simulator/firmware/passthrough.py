"""The passthrough mode: AT+CIPMODE=1, AT+CIPSEND without length, AT+SAVETRANSLINK (V1.0 5.2.10, 5.2.11).

Theory of operation
-------------------
While it is active every read of the UART comes here. Bytes collect for 20 ms, or until a packet is full, and
go to the link; what the link receives goes to the host as it is. `+++` ends the mode if it comes as one read
behind 20 ms of silence (at-dialects 7.10); within a burst it is data. When the link breaks, the mode opens it
again, every CIPRECONNINTV, until it can or `+++` comes; what is written meanwhile is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.backlog import Backlog
from esp32sock.simulator.firmware.data_phase import CANCEL
from esp32sock.simulator.network.api import OpenDatagram, OpenStream

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.inbound import Inbound
    from esp32sock.simulator.firmware.interfaces import Interfaces
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.firmware.links import Links
    from esp32sock.simulator.firmware.network_client import NetworkRequests
    from esp32sock.simulator.firmware.receiver import Receiver
    from esp32sock.simulator.firmware.tls import TlsConfiguration
    from esp32sock.simulator.kernel import Process, Timer

GUARD_S = 0.02
"""At-dialects 7.10."""

TENTH_S = 0.1
"""The unit of AT+CIPRECONNINTV."""

SHOWN_IN_MODE = 4
"""Bit 2 of AT+SYSMSG: links are reported within the mode (observed 4.1, sysmsg)."""


class Passthrough:
    """The mode, and the link that it is about."""

    def __init__(
        self,
        board: Board,
        interfaces: Interfaces,
        requests: NetworkRequests,
        links: Links,
        inbound: Inbound,
        receiver: Receiver,
        tls: TlsConfiguration,
    ) -> None:
        self._board = board
        self._interfaces = interfaces
        self._requests = requests
        self._links = links
        self._inbound = inbound
        self._receiver = receiver
        self._tls = tls
        self.active = False
        self._link: Link | None = None
        self._request: OpenStream | OpenDatagram | None = None
        self._kind = ""
        self._collected = bytearray()
        self._flush_at: Timer | None = None
        self._outgoing: list[bytes] = []
        self._backlog = Backlog(board.uart)
        self._sender: Process | None = None
        self._opener: Process | None = None

    def reset(self) -> None:
        """The firmware restarts."""
        self._leave()

    def takes(self, link: Link) -> bool:
        """What this link receives goes to the host as it is: also before CIPSEND, from 2.0 on (at-dialects
        7.3).
        """
        board = self._board
        if self.active:
            return link is self._link
        return board.state.passthrough_mode and board.profile.says_recv and not board.state.mux

    # Entering and leaving

    def enter(self, link: Link) -> None:
        self.active = True
        self._link = link
        self._request, self._kind = link.request, link.kind
        self._receiver.divert(self)

    def _leave(self) -> None:
        self.active = False
        self._link = None
        self._collected.clear()
        self._outgoing.clear()
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        for process in (self._sender, self._opener):
            if process is not None:
                process.cancel()
        self._sender = self._opener = None
        self._backlog.clear()

    def _quit(self) -> None:
        """`+++`: no answer, but for bit 0 of SYSMSG (observed 2.0, 4.1)."""
        board = self._board
        broken = self._link is None
        self._receiver.undivert()
        self._leave()
        if board.profile.tcpip.passthrough_ends_mode:
            board.state.passthrough_mode = False
        if board.state.sysmsg & 1:
            board.write(b"\r\n+QUITT\r\n")
        if broken and not board.state.sysmsg & SHOWN_IN_MODE:
            board.line("CLOSED")  # what is not printed within the mode (at-dialects 7.10)

    # From the host

    def __call__(self, data: bytes, separate: bool) -> bytes:
        """One read of the UART."""
        board = self._board
        if data == CANCEL and not self._collected and self._receiver.idle_s >= GUARD_S:
            self._quit()
            return b""
        self._collected += data
        self._backlog.came(len(data))
        if len(self._collected) >= board.profile.tcpip.passthrough_packet:
            self._flush()
        elif self._flush_at is None:
            wait_s = board.state.packet_interval_ms / 1000
            self._flush_at = board.kernel.call_later(wait_s, self._flush)
        return b""

    def _flush(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        data = bytes(self._collected)
        self._collected.clear()
        if data and self._link is not None:
            most = self._board.profile.tcpip.passthrough_packet
            self._outgoing += [data[start : start + most] for start in range(0, len(data), most)]
            if self._sender is None:
                self._sender = self._board.spawn(self._send())
        else:
            self._backlog.went(len(data))

    async def _send(self) -> None:
        links = self._links
        while self._outgoing and self._link is not None:
            data = self._outgoing.pop(0)
            sent = await links.send(self._link, data)
            if self._link is not None and self._link.is_stream and not sent:
                break
            self._backlog.went(len(data))
        self._outgoing.clear()
        self._backlog.clear()
        self._backlog.came(len(self._collected))
        self._sender = None

    # From the network

    def says_closed(self, link: Link) -> bool:
        """Whether CLOSED is printed for a link that its peer has ended: within the mode by SYSMSG."""
        ours = self.active and link is self._link
        return not ours or bool(self._board.state.sysmsg & SHOWN_IN_MODE)

    def link_ended(self, link: Link) -> None:
        """A link is gone, closed by either side."""
        if not self.active or link is not self._link:
            return
        self._link = None
        self._outgoing.clear()
        if self._request is not None:
            self._opener = self._board.spawn(self._open_again())

    def adopt(self, link: Link) -> bool:
        """A client of the server comes while the mode waits for one: not announced (a guess)."""
        if not self.active or self._link is not None or self._request is not None:
            return False
        self._link = link
        if self._board.state.sysmsg & SHOWN_IN_MODE:
            self._links.announce(link)
        return True

    async def _open_again(self) -> None:
        board = self._board
        while self.active and self._link is None:
            await board.kernel.sleep(board.state.reconnect_interval * TENTH_S)
            link = await self._open(self._kind, self._request)
            if link is not None and self.active:
                self._link = link
                link.announced = True
                if board.state.sysmsg & SHOWN_IN_MODE:
                    self._links.announce(link)
                self._inbound.pump()
        self._opener = None

    async def _open(self, kind: str, like: OpenStream | OpenDatagram | None) -> Link | None:
        if like is None or not self._interfaces.have_network or self._links.get(0) is not None:
            return None
        handle = self._requests.new_handle()
        again: OpenStream | OpenDatagram
        if isinstance(like, OpenDatagram):
            again = OpenDatagram(handle, like.address, like.port, like.local_port)
        else:
            again = OpenStream(handle, like.address, like.port, like.window_bytes, like.keepalive_s, like.tls)
        return await self._links.open(0, again, kind)

    # After a boot

    def resume(self) -> None:
        """Enter the mode if SAVETRANSLINK says so, once there is a network."""
        stored: tuple[object, ...] = self._board.nvs.get("translink", ())
        match stored:  # what else stands in a flash file is no link
            case (str() as kind, str() as host, int() as port, int() as extra):
                self._opener = self._board.spawn(self._resume(kind, host, port, extra))

    async def _resume(self, kind: str, host: str, port: int, extra: int) -> None:
        board = self._board
        board.state.passthrough_mode = True
        while True:
            await board.kernel.sleep(board.state.reconnect_interval * TENTH_S)
            address = await self._requests.resolve(host) if self._interfaces.have_network else None
            if address is None:
                continue
            like: OpenStream | OpenDatagram
            if kind == "UDP":
                like = OpenDatagram(0, address, port, extra)
            else:
                tls = self._tls.of_client(0, host) if kind == "SSL" else None
                like = OpenStream(0, address, port, self._links.window_bytes(0), extra, tls)
            link = await self._open(kind, like)
            if link is not None:
                break
        self._opener = None
        self.enter(link)
        link.announced = True
        self._inbound.pump()
