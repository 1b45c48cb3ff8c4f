"""Passthrough: one TCP or UDP link as a plain stream of bytes, without a command between them.

Theory of operation (at-dialects 7.10): in single-link mode, with AT+CIPMODE=1 and one link open, AT+CIPSEND
answers with a prompt, and from there on the line carries payload both ways. Exactly `+++`, with 20 ms of
silence before and behind it, leaves. So:

* to leave, the host is silent, writes these three bytes in one go, is silent again and waits a second;
* payload must never look like that: what would make exactly three pluses between two silences is cut, with
  a silence in the cut. Longer runs, and pluses within other bytes, are payload to the module;
* what the peer sends between AT+CIPMODE=1 and the prompt comes bare and is taken for text: it is lost.
  Before, it comes by +IPD, and behind the prompt as payload;
* 2.0 was seen to print nothing at all of what it receives (`Firmware.is_mute_in_passthrough`);
* the module prints nothing on leaving, so AT is sent, and without an answer the `+++` again;
* a link that breaks it opens again by itself, and what was written meanwhile is lost (from 2.0 on). That it
  did shows in the local port, which is another then; from 2.1 on it can be had to say so, amid the payload
  (`passthrough_reports`).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import trio

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock.at.commands import passthrough, servers, ssl, tcpip, udp
from esp32sock.at.links import PASSTHROUGH_LINK as LINK
from esp32sock.at.state import ModuleState
from esp32sock.engine.passthrough_reports import ReportFilter
from esp32sock.engine.shielded import run_shielded
from esp32sock.engine.tcp_link import REFUSED_WITHIN_S
from esp32sock.errors import CommandError, Error, PortError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from esp32sock.engine.management import ManagementSession

log = logging.getLogger("esp32sock")

Kind = Literal["TCP", "UDP", "SSL"]
OnLink = Callable[[bool], object]

SILENCE_S = 0.05
"""The module's guard is 20 ms; what adapters add is allowed for (known-bugs 17)."""
IDLE_S = 0.005
"""We were silent for so long: to the module it may have been 20 ms, when an adapter was slow with what came
before."""
PORT_BYTES = 64 << 10
"""What a port may have taken ahead of the line: a serial driver some 4 kB, a pseudo-terminal up to this
(Linux, drivers/tty/tty_buffer.c: TTYB_DEFAULT_MEM_LIMIT)."""
HELD_S = 10.0
"""How long flow control may hold the line up beyond the time its bytes need; by taste."""
LOOK_S = 0.01
"""Between two looks at what the port has yet to write; by taste."""
LEAVE_S = 1.0
"""V1.0, 5.2.4: wait at least one second before the next command."""
LEAVE_TRIES = 3
UNREAD_BYTES = 8 << 20
"""Nothing holds the module back, so what is not read is kept up to here."""


class StreamLost(PortError, trio.BrokenResourceError):
    """The port under a passthrough is lost."""


class Passthrough(trio.abc.Stream):
    """The stream. It has no end of its own: a peer that closes is connected to again by the module.

    `send_all` and `receive_some` raise StreamLost, a PortError, when the port is lost,
    `trio.ClosedResourceError` after `aclose`, and `receive_some` Error(ECONNRESET) when more than
    UNREAD_BYTES were not read. Cancelling `receive_some` loses nothing; cancelling `send_all` leaves how much
    was sent unknown. One task may send and one receive; another sender gets `trio.BusyResourceError`.
    """

    def __init__(
        self,
        management: ManagementSession,
        on_link: OnLink | None = None,
        reports: ReportFilter | None = None,
    ) -> None:
        self.reconnected: bool | None = None
        """Whether the link broke meanwhile, so that bytes were lost; None until the mode is left."""
        self._management = management
        self._entered = False
        self._closed = False
        self._on_link = on_link
        self._reports = reports
        """None if the module prints none."""
        self._received = bytearray()
        self._space_follows = management.firmware.prompts_with_space
        """Whether the first byte is the rest of the prompt."""
        self._more = trio.Event()
        self._pluses = 0
        """How many pluses, and nothing else, were written since the last silence; 3 for anything else."""
        self._wrote_at = float("-inf")
        self._wire_free_at = float("-inf")
        """When the last byte is on the wire, at the latest, if nothing holds the line up."""
        self._sending = trio.Lock()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What came since the last call, at least one byte."""
        if max_bytes is not None and max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        await trio.lowlevel.checkpoint()
        while not (ready := self._ready_bytes()):
            self._check_open()
            self._more = trio.Event()
            with trio.move_on_after(SILENCE_S if self._received else float("inf")) as silence:
                await self._more.wait()
            if silence.cancelled_caught:  # it only looked like the beginning of a report
                ready = len(self._received)
                break
        if len(self._received) > UNREAD_BYTES:
            raise Error(
                f"{len(self._received)} bytes of a passthrough were not read in time", errno=errno.ECONNRESET
            )
        ready = min(ready, max_bytes or ready)
        data = bytes(self._received[:ready])
        del self._received[:ready]
        return data

    def _ready_bytes(self) -> int:
        """How much may be handed out: not what may become a report."""
        if self._reports is None:
            return len(self._received)
        return self._reports.settled_bytes(self._received)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """All of it, once the port has taken it; that the module or the peer has is not known."""
        try:
            self._sending.acquire_nowait()
        except trio.WouldBlock:
            raise trio.BusyResourceError("another task is sending on this passthrough") from None
        try:
            self._check_open()
            await self._send(bytes(data))
        except PortError as error:
            raise StreamLost(str(error), errno=error.errno) from error
        finally:
            self._sending.release()

    async def _send(self, data: bytes) -> None:
        if trio.current_time() - self._wrote_at >= IDLE_S:
            self._pluses = 0
        for piece in self._split_escape(data):
            if not piece:
                await self._silence()
                self._pluses = 0
                continue
            only = not piece.strip(b"+")
            self._pluses = (
                min(len(ESCAPE_SEQUENCE), self._pluses + len(piece)) if only else len(ESCAPE_SEQUENCE)
            )
            await self._write(piece)

    async def _write(self, piece: bytes) -> None:
        s_per_byte = self._management.channel.session.s_per_byte
        started = max(trio.current_time(), self._wire_free_at)
        await self._management.port.send(piece)
        self._wrote_at = trio.current_time()
        self._wire_free_at = min(
            max(self._wrote_at, started + len(piece) * s_per_byte),
            self._wrote_at + PORT_BYTES * s_per_byte,  # the port does not take more ahead
        )

    async def _silence(self) -> None:
        """On the wire: what was written may be with the port still, for as long as flow control holds it."""
        await trio.sleep_until(self._wire_free_at)
        with trio.move_on_after(HELD_S):
            while self._management.port.unsent_bytes:  # noqa: ASYNC110  (the kernel gives no notice)
                await trio.sleep(LOOK_S)
        await trio.sleep(SILENCE_S)

    async def wait_send_all_might_not_block(self) -> None:
        """At once: the port takes bytes, or makes `send_all` wait."""
        await trio.lowlevel.checkpoint()
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the passthrough has ended")
        lost = self._management.channel.error
        if lost is not None:
            raise StreamLost(str(lost), errno=lost.errno) from lost

    def _split_escape(self, data: bytes) -> tuple[bytes, ...]:
        """The data in pieces; an empty one stands for a silence."""
        if data.strip(b"+") or self._pluses + len(data) != len(ESCAPE_SEQUENCE):
            return (data,) if data else ()
        return (data[:1], b"", data[1:]) if len(data) == len(ESCAPE_SEQUENCE) else (b"", data)

    async def aclose(self) -> None:
        """Leave the mode, also when cancelled: about 1.2 s once all is on the wire. Idempotent."""
        if not self._closed:
            await run_shielded(self.exit_mode)
        await trio.lowlevel.checkpoint()

    # -- in the channel's reading task ---------------------------------------------------------------

    def payload(self) -> None:
        taken = self._management.channel.session.demux.take(LINK)
        if self._space_follows and taken:
            self._space_follows = False
            taken = taken.removeprefix(b" ")
        self._received += taken
        if self._reports is not None:
            for is_open in self._reports.take_out(self._received, len(taken)):
                if self._on_link is not None:
                    self._on_link(is_open)
        if len(self._received) > 2 * UNREAD_BYTES:
            del self._received[UNREAD_BYTES + 1 :]  # the reader gets an error; the rest is useless
        self._more.set()

    def port_lost(self) -> None:
        self._more.set()

    # -- entering and leaving -------------------------------------------------------------------------

    async def enter_mode(self) -> None:
        await self._management.execute(tcpip.SetPassthrough(on=True))
        await self._management.execute(passthrough.EnterPassthrough())
        self._entered = True

    async def exit_mode(self) -> None:
        """Back to commands, and see that it worked; harmless if it never entered."""
        if self._closed or not self._entered or self._management.channel.error is not None:
            return
        self._closed = True
        session = self._management.channel.session
        for attempt in range(LEAVE_TRIES):
            if attempt:  # the module received something else, or nothing: what comes is payload still
                session.resume_passthrough()
            await self._silence()
            await self._write(ESCAPE_SEQUENCE)
            await self._silence()
            await trio.sleep(LEAVE_S)
            if self._management.channel.error is not None:
                break
            session.leave_passthrough()
            if await self._management.is_responding() or session.module.state is not ModuleState.SYNCING:
                break
        self._more.set()


@asynccontextmanager
async def open_passthrough(
    management: ManagementSession, host: str, port: int, kind: Kind = "TCP", *, on_link: OnLink | None = None
) -> AsyncIterator[Passthrough]:
    """Open one link in passthrough mode, and leave the module as it was found.

    `on_link` gets False when the link breaks and True when the module has opened it again. That is said in
    the middle of the payload, as are changes of Wi-Fi and Ethernet: these lines are taken out, also where the
    peer sent the same bytes (see `passthrough_reports`); it needs firmware 2.1. A module that is set to print
    them is read so without `on_link` too. Without, `Passthrough.reconnected` tells afterwards.

    Error(EBUSY) when something is open on the module; CommandError when the link or the mode cannot be had;
    Error(EOPNOTSUPP) for `on_link` on firmware that cannot say it.
    """
    if on_link is not None and not management.firmware.at_least(2, 1):
        raise Error(
            "this firmware does not report link changes in passthrough; 2.1 and later do",
            errno=errno.EOPNOTSUPP,
        )
    if management.firmware.is_mute_in_passthrough:
        log.warning(
            "firmware 2.0 was seen to print nothing that it receives in passthrough; 2.1 and later do"
        )
    if await management.execute(tcpip.Links()):
        raise Error(
            "passthrough needs a module without open links; see `esp32sock links`",
            errno=errno.EBUSY,
        )
    multiplexed = await management.execute(tcpip.Multiplexed())
    if multiplexed:
        await management.try_execute(servers.StopListening())
        await management.execute(tcpip.SetMultiplexed(on=False))
    reports = await _reported(management)
    before = _Before(multiplexed)
    stream = Passthrough(management, on_link, ReportFilter() if reports or on_link is not None else None)
    management.set_payload_sink(stream)
    try:
        if on_link is not None and not reports:
            before.messages = await management.execute(passthrough.SystemMessages())
            await management.execute(passthrough.SetSystemMessages(passthrough.Messages.LINKS_IN_PASSTHROUGH))
        await _open(management, _opening(host, port, kind))
        before.local_port = await _local_port(management)
        _confirm(management, listed=before.local_port is not None)
        await run_shielded(stream.enter_mode)  # half-way in, what puts it back would be payload
        yield stream
    finally:
        await run_shielded(lambda: _put_back(management, stream, before))


async def _reported(management: ManagementSession) -> bool:
    """Whether the module reports changes amid the payload: a stored setting, which stays as it is."""
    if not management.firmware.at_least(2, 1):
        return False
    messages = await management.try_execute(passthrough.SystemMessages())
    return messages is not None and passthrough.Messages.LINKS_IN_PASSTHROUGH in messages


async def _open(management: ManagementSession, command: tcpip.OpenTcp | udp.OpenUdp | ssl.OpenSsl) -> None:
    started = trio.current_time()
    try:
        await management.execute(command)
    except CommandError as error:
        if error.errno == errno.EIO:  # most firmware does not say why
            quick = trio.current_time() - started < REFUSED_WITHIN_S
            error.errno = errno.ECONNREFUSED if quick else errno.ETIMEDOUT
        raise


def _confirm(management: ManagementSession, *, listed: bool) -> None:
    """An OK without CONNECT says nothing (V1.0, 5.2.3): the link is open if the module lists it."""
    links = management.channel.session.links
    if links.needs_confirmation(LINK):
        links.confirm(LINK, listed=listed)
        if not listed:
            raise CommandError("AT+CIPSTART", "OK, but it does not list the link")


def _opening(host: str, port: int, kind: Kind) -> tcpip.OpenTcp | udp.OpenUdp | ssl.OpenSsl:
    if kind == "UDP":
        return udp.OpenUdp(None, (host, port), as_stream=True)
    return (tcpip.OpenTcp if kind == "TCP" else ssl.OpenSsl)(None, host, port)


@dataclass(slots=True)
class _Before:
    """How the module was found."""

    multiplexed: bool
    messages: passthrough.Messages | None = None
    local_port: int | None = None


async def _local_port(management: ManagementSession) -> int | None:
    """The port of the link's near side, a new one each time it is opened; None without a link."""
    return next((link.local_port for link in await management.try_execute(tcpip.Links()) or ()), None)


async def _put_back(management: ManagementSession, stream: Passthrough, before: _Before) -> None:
    """Normal mode, no link, and as many as were allowed before."""
    await stream.exit_mode()
    management.set_payload_sink(None)
    if management.channel.error is not None:
        return
    if before.local_port is not None:
        stream.reconnected = await _local_port(management) != before.local_port
        if stream.reconnected:
            log.warning("the link broke during passthrough: bytes of both directions may be lost")
    await management.try_execute(tcpip.SetPassthrough(on=False))
    await management.try_execute(tcpip.Close())
    if before.messages is not None:
        await management.try_execute(passthrough.SetSystemMessages(before.messages))
    if before.multiplexed:
        await management.try_execute(tcpip.SetMultiplexed(on=True))
