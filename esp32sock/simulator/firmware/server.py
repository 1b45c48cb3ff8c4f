"""The server: AT+CIPSERVER and what it accepts, AT+CIPSERVERMAXCONN, AT+CIPSTO (V1.0 5.2.9, 5.2.12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import Call, command
from esp32sock.simulator.firmware.commands.results import CommandRefused, refuse_if
from esp32sock.simulator.firmware.commands.tls import server_security
from esp32sock.simulator.firmware.link import LINK_COUNT
from esp32sock.simulator.network.api import Accepted, Close, Listen

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.kernel import Timer

DEFAULT_PORT = 333
"""V1.0 5.2.9."""

TIMEOUT_S = (0, 7200)
"""V1.0 5.2.12."""


@dataclass(slots=True)
class Listener:
    """The one server, listening."""

    handle: int
    port: int
    kind: str
    ca: int
    interface: int


class Server:
    """Accepts links while it listens, and closes accepted links that say nothing for long."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.listener: Listener | None = None
        self.most_links = LINK_COUNT
        """AT+CIPSERVERMAXCONN."""
        self.timeout_s = 0
        """AT+CIPSTO: 0 is never, on every captured firmware (README)."""
        self._idle_check: Timer | None = None

    @property
    def running(self) -> bool:
        return self.listener is not None

    def reset(self) -> None:
        """The firmware restarts."""
        self.stop()
        self.most_links = LINK_COUNT

    async def start(self, port: int, kind: str, ca: int, interface: int) -> None:
        """Raises Refusal if the port cannot be had."""
        firmware = self._firmware
        tls = server_security(firmware, ca) if kind == "SSL" else None
        handle = firmware.questions.new_handle()
        window = firmware.window_bytes(0)
        opened = await firmware.questions.listen(Listen(handle, port, window, tls))
        if opened is None:
            raise CommandRefused
        self.listener = Listener(handle, port, kind, ca, interface)
        firmware.links.wake_others_soon()

    def stop(self) -> None:
        """Listen no more; accepted links stay (observed 4.1)."""
        listener, self.listener = self.listener, None
        self.timeout_s = 0  # observed 1.0, 2.0
        if listener is not None:
            self._firmware.request(Close(listener.handle))
            self._firmware.links.wake_others_soon()

    # Accepting

    def on_accepted(self, event: Accepted) -> None:
        """A client is there: the lowest free id is its link; one too many is closed without a word (observed
        4.1).
        """
        firmware, listener = self._firmware, self.listener
        links = firmware.links
        link_id = links.lowest_free()
        if listener is None or link_id is None or len(links.accepted()) >= self.most_links:
            firmware.request(Close(event.handle))
            return
        link = links.enter_accepted(link_id, listener.kind, event, firmware.window_bytes(link_id))
        if not firmware.passthrough.adopt(link):
            links.announce(link)
        links.begin_receiving(link)
        self._watch()

    # Idle links

    def set_timeout(self, seconds: int) -> None:
        self.timeout_s = seconds
        self._watch()

    def _last_sign_s(self, link: Link) -> float:
        both = self._firmware.profile.tcpip.accepted_times_out == "both"
        return link.last_used_s if both else link.last_received_s

    def _watch(self) -> None:
        """Look again when the first accepted link may have been idle for too long."""
        if self._idle_check is not None:
            self._idle_check.cancel()
            self._idle_check = None
        accepted = self._firmware.links.accepted()
        if not self.timeout_s or not accepted:
            return
        due = min(map(self._last_sign_s, accepted)) + self.timeout_s
        self._idle_check = self._firmware.kernel.call_at(due, self._close_idle)

    def _close_idle(self) -> None:
        firmware = self._firmware
        self._idle_check = None
        if self.timeout_s:
            for link in firmware.links.accepted():
                if firmware.now - self._last_sign_s(link) >= self.timeout_s - 1e-6:
                    firmware.links.close(link)
        self._watch()


@command("CIPSERVER", "q")
def server_query(call: Call) -> None:
    """Observed 1.0, 2.0; the fifth field from 4.1 on."""
    listener = call.firmware.server.listener
    if listener is None:
        call.say("+CIPSERVER:0")
        return
    last = f",{listener.interface}" if call.profile.tcpip.server_interface else ""
    call.say(f'+CIPSERVER:1,{listener.port},"{listener.kind}",{listener.ca}{last}')


@command("CIPSERVER", "s")
async def server(call: Call) -> None:
    """V1.0 5.2.9; further fields at-dialects 7.9; oddities of 2.0 from its sweep."""
    arguments, traits = call.arguments.without_codes(), call.profile.tcpip
    refuse_if(not call.state.mux)  # before the fields are looked at (sweep of CIPSERVER, 1.0)
    lowest, highest = (-(1 << 31), (1 << 31) - 1) if traits.server_modes else (0, 1)
    mode = arguments.integer(lowest, highest)
    alone = not arguments.left
    if mode == 0:
        _stop(call, closes=_read_close_all(call))
        return
    refuse_if(mode != 1 and not alone)
    port = arguments.integer(1, 65535, default=DEFAULT_PORT) if arguments.left else DEFAULT_PORT
    if mode != 1:
        port = 0  # served on a port of its own choice (sweep, 2.0)
    kind, ca, interface = _read_kind(call)
    if not call.firmware.server.running:  # a second start changes nothing and is OK (observed 2.0, 4.1)
        await call.firmware.server.start(port, kind, ca, interface)


def _read_close_all(call: Call) -> bool:
    arguments = call.arguments
    closes = bool(call.profile.tcpip.server_closes and arguments.left and arguments.integer(0, 1))
    arguments.end()
    return closes


def _read_kind(call: Call) -> tuple[str, int, int]:
    """Type, whether clients are verified, and interface. Only SSL has the second (sweep, 2.0)."""
    arguments, traits = call.arguments, call.profile.tcpip
    if not arguments.left:
        return "TCP", 0, 0
    kind = arguments.string(6, default="TCP")
    if kind.removesuffix("v6") not in ("TCP", "SSL"):
        refuse_if(traits.server_kinds)
        kind = "TCP"
    ca = interface = 0
    if arguments.left and (kind == "SSL" or traits.server_interface):
        ca = arguments.integer(0, 1, default=0)
    if arguments.left and traits.server_interface:
        interface = arguments.integer(0, 3, default=0)
    arguments.end()
    return kind, ca, interface


def _stop(call: Call, *, closes: bool) -> None:
    links = call.firmware.links
    call.firmware.server.stop()
    if closes:
        for link in links.accepted():
            links.close(link)


@command("CIPSERVERMAXCONN", "q")
def most_links_query(call: Call) -> None:
    call.say(f"+CIPSERVERMAXCONN:{call.firmware.server.most_links}")


@command("CIPSERVERMAXCONN", "s")
def most_links(call: Call) -> None:
    """Refused while the server runs (observed 4.1), and with more links open than wanted, which has a line of
    its own (at-dialects 3.4).
    """
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    wanted = arguments.integer(1, LINK_COUNT)
    refuse_if(call.firmware.server.running)
    open_links = len(call.firmware.links.accepted())
    if open_links > wanted:
        call.say(f"Have {open_links} Connections")
        raise CommandRefused
    call.firmware.server.most_links = wanted


@command("CIPSTO", "q")
def timeout_query(call: Call) -> None:
    call.say(f"+CIPSTO:{call.firmware.server.timeout_s}")


@command("CIPSTO", "s")
def timeout(call: Call) -> None:
    """V1.0 5.2.12; needs a running server (observed 1.0, 2.0)."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    seconds = arguments.integer(*TIMEOUT_S)
    refuse_if(not call.firmware.server.running)
    call.firmware.server.set_timeout(seconds)
