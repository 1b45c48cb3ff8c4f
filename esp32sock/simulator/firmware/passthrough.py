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
from esp32sock.simulator.firmware.commands.registry import Call, command
from esp32sock.simulator.firmware.commands.results import CommandRefused, Result, refuse_if
from esp32sock.simulator.firmware.commands.sending import prompt
from esp32sock.simulator.firmware.commands.tls import security_of
from esp32sock.simulator.firmware.receiver import CANCEL
from esp32sock.simulator.network.api import OpenDatagram, OpenStream

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.kernel import Process, Timer

GUARD_S = 0.02
"""At-dialects 7.10."""

TENTH_S = 0.1
"""The unit of AT+CIPRECONNINTV."""

SHOWN_IN_MODE = 4
"""Bit 2 of AT+SYSMSG: links are told of within the mode (observed 4.1, sysmsg)."""


class Passthrough:
    """The mode, and the link that it is about."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.active = False
        self._link: Link | None = None
        self._request: OpenStream | OpenDatagram | None = None
        self._kind = ""
        self._collected = bytearray()
        self._flush_at: Timer | None = None
        self._outgoing: list[bytes] = []
        self._backlog = Backlog(firmware.uart)
        self._sender: Process | None = None
        self._opener: Process | None = None

    def reset(self) -> None:
        """The firmware restarts."""
        self._leave()

    def takes(self, link: Link) -> bool:
        """What this link receives goes to the host as it is: also before CIPSEND, from 2.0 on (at-dialects
        7.3).
        """
        firmware = self._firmware
        if self.active:
            return link is self._link
        return firmware.state.passthrough_mode and firmware.profile.says_recv and not firmware.state.mux

    # Entering and leaving

    def enter(self, link: Link) -> None:
        self.active = True
        self._link = link
        self._request, self._kind = link.request, link.kind
        self._firmware.receiver.divert(self)

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
        firmware = self._firmware
        broken = self._link is None
        firmware.receiver.undivert()
        self._leave()
        if firmware.state.sysmsg & 1:
            firmware.write(b"\r\n+QUITT\r\n")
        if broken and not firmware.state.sysmsg & SHOWN_IN_MODE:
            firmware.line("CLOSED")  # what could not be said within the mode (at-dialects 7.10)

    # From the host

    def __call__(self, data: bytes, separate: bool) -> bytes:
        """One read of the UART."""
        firmware = self._firmware
        if data == CANCEL and not self._collected and firmware.receiver.idle_s >= GUARD_S:
            self._quit()
            return b""
        self._collected += data
        self._backlog.came(len(data))
        if len(self._collected) >= firmware.profile.tcpip.passthrough_packet:
            self._flush()
        elif self._flush_at is None:
            wait_s = firmware.state.packet_interval_ms / 1000
            self._flush_at = firmware.kernel.call_later(wait_s, self._flush)
        return b""

    def _flush(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        data = bytes(self._collected)
        self._collected.clear()
        if data and self._link is not None:
            self._outgoing.append(data)
            if self._sender is None:
                self._sender = self._firmware.spawn(self._send())
        else:
            self._backlog.went(len(data))

    async def _send(self) -> None:
        links = self._firmware.links
        while self._outgoing and self._link is not None:
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            if not self._link.is_stream:
                await links.send(self._link, data)
            elif not await links.send(self._link, data):
                break
            self._backlog.went(len(data))
        self._outgoing.clear()
        self._backlog.clear()
        self._backlog.came(len(self._collected))
        self._sender = None

    # From the network

    def peer_closed(self, link: Link) -> None:
        """The peer ended a link and all of it has been printed."""
        links = self._firmware.links
        ours = self.active and link is self._link
        links.close(link, say=not ours or bool(self._firmware.state.sysmsg & SHOWN_IN_MODE))

    def link_ended(self, link: Link) -> None:
        """A link is gone, whoever closed it."""
        if not self.active or link is not self._link:
            return
        self._link = None
        self._outgoing.clear()
        if self._request is not None:
            self._opener = self._firmware.spawn(self._open_again())

    def adopt(self, link: Link) -> bool:
        """A client of the server comes while the mode waits for one: not announced (a guess)."""
        if not self.active or self._link is not None or self._request is not None:
            return False
        self._link = link
        if self._firmware.state.sysmsg & SHOWN_IN_MODE:
            self._firmware.links.announce(link)
        return True

    async def _open_again(self) -> None:
        firmware = self._firmware
        while self.active and self._link is None:
            await firmware.kernel.sleep(firmware.state.reconnect_interval * TENTH_S)
            link = await self._open(self._kind, self._request)
            if link is not None and self.active:
                self._link = link
                link.announced = True
                if firmware.state.sysmsg & SHOWN_IN_MODE:
                    firmware.links.announce(link)
                firmware.inbound.pump()
        self._opener = None

    async def _open(self, kind: str, like: OpenStream | OpenDatagram | None) -> Link | None:
        firmware = self._firmware
        if like is None or not firmware.has_network or firmware.links.get(0) is not None:
            return None
        handle = firmware.questions.new_handle()
        again: OpenStream | OpenDatagram
        if isinstance(like, OpenDatagram):
            again = OpenDatagram(handle, like.address, like.port, like.local_port)
        else:
            again = OpenStream(handle, like.address, like.port, like.window_bytes, like.keepalive_s, like.tls)
        return await firmware.links.open(0, again, kind)

    # After a boot

    def resume(self) -> None:
        """Enter the mode if SAVETRANSLINK says so, once there is a network."""
        stored: tuple[object, ...] = self._firmware.nvs.get("translink", ())
        if len(stored) == 4:
            self._opener = self._firmware.spawn(self._resume(*stored))

    async def _resume(self, kind: object, host: object, port: object, extra: object) -> None:
        firmware = self._firmware
        assert isinstance(kind, str)
        assert isinstance(host, str)
        assert isinstance(port, int)
        assert isinstance(extra, int)
        firmware.state.passthrough_mode = True
        while True:
            await firmware.kernel.sleep(firmware.state.reconnect_interval * TENTH_S)
            address = await firmware.questions.resolve(host) if firmware.has_network else None
            if address is None:
                continue
            like: OpenStream | OpenDatagram
            if kind == "UDP":
                like = OpenDatagram(0, address, port, extra)
            else:
                tls = security_of(firmware, 0) if kind == "SSL" else None
                like = OpenStream(0, address, port, firmware.window_bytes(0), extra, tls)
            link = await self._open(kind, like)
            if link is not None:
                break
        self._opener = None
        self.enter(link)
        link.announced = True
        firmware.inbound.pump()


@command("CIPMODE", "q")
def mode_query(call: Call) -> None:
    call.say(f"+CIPMODE:{int(call.state.passthrough_mode)}")


@command("CIPMODE", "s")
def mode(call: Call) -> None:
    """V1.0 5.2.10: both refused with CIPMUX=1 (observed 1.0, 2.0, 4.2), taken with a link open (observed)."""
    arguments, state = call.arguments.without_codes(), call.state
    arguments.expect(1, 1)
    wanted = bool(arguments.integer(0, 1))
    if state.mux:
        server = call.firmware.server
        serves_one = call.profile.tcpip.passthrough_server and server.running and server.most_links == 1
        refuse_if(not serves_one and not (state.passthrough_mode and not wanted))
    state.passthrough_mode = wanted


@command("CIPSEND", "e")
def start(call: Call) -> Result:
    """Enter the mode: with a link whose peer does not change, and CIPMODE=1 (V1.0 5.2.4)."""
    firmware, state = call.firmware, call.state
    link = _only_link(firmware)
    if not state.passthrough_mode or link is None:
        raise CommandRefused
    refuse_if(not link.is_stream and link.udp_mode != 0)
    refuse_if(link.is_secure and not call.profile.tcpip.passthrough_ssl)
    prompt(call)
    firmware.passthrough.enter(link)
    return Result.NOTHING


def _only_link(firmware: Firmware) -> Link | None:
    if not firmware.state.mux:
        return firmware.links.get(0)
    accepted = firmware.links.accepted()
    return accepted[0] if len(accepted) == 1 else None


@command("SAVETRANSLINK", "s")
def save(call: Call) -> None:
    """V1.0 5.2.11."""
    arguments, nvs = call.arguments.without_codes(), call.firmware.nvs
    wanted = bool(arguments.integer(0, 1))
    if not wanted:
        nvs.set("translink", ())
        return
    host = arguments.string(call.profile.host_name_limit)
    port = arguments.integer(1, 65535)
    kind = arguments.string(6, default="TCP")
    refuse_if(not host or kind not in ("TCP", "UDP", "SSL"))
    refuse_if(kind == "SSL" and not call.profile.tcpip.passthrough_ssl)
    extra = arguments.integer(0, 65535 if kind == "UDP" else 7200, default=0)
    arguments.end()
    nvs.set("translink", (kind, host, port, extra))


@command("CIPRECONNINTV", "q")
def interval_query(call: Call) -> None:
    call.say(f"+CIPRECONNINTV:{call.state.reconnect_interval}")


@command("CIPRECONNINTV", "s")
def interval(call: Call) -> None:
    """At-dialects 7.11."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    call.state.reconnect_interval = arguments.integer(1, 36_000)
    if call.state.store:
        call.firmware.nvs.set("reconnect_interval", call.state.reconnect_interval)


@command("TRANSINTVL", "q")
def packet_interval_query(call: Call) -> None:
    call.say(f"+TRANSINTVL:{call.state.packet_interval_ms}")


@command("TRANSINTVL", "s")
def packet_interval(call: Call) -> None:
    """At-dialects 5."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    call.state.packet_interval_ms = arguments.integer(0, 1000)
