"""From an open port to a module that answers line by line, whatever mode it was left in.

Theory of operation (at-dialects 4.2): the module may be fresh, in passthrough, inside a data phase, at
another baud rate, booting or busy, and the line may be a network: an answer may come a second after its line,
or several. So nothing that could be taken for payload is written before `+++` has ended what it ends. Then
`AT+CIPMUX?` is asked, whose answer cannot be mistaken for another's. A line without an answer is asked again,
and the answers are counted: the module is found when every one has come, or when it has been silent for as
long as the slowest took. No command gets an answer that is not its own afterwards.

A module that prints `busy p...` or boots is running, and the probe waits for it. If nothing is understood,
the usual baud rates are tried, to name the right one; none is kept. A line that is silent is listened to at
each of them for a moment, while the first answer may still come. If it is silent there too, it may be in a
data phase that `+++` does not end (AT+MQTTPUBRAW and its like): first the reset line of the adapter, where
one is named, then empty lines fill it up, where that is allowed, and end as soon as anything arrives. A line
that gives back what was written, and nothing else, has no other rate.
"""

from __future__ import annotations

import errno
import logging
import re
from typing import TYPE_CHECKING

import trio

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.options import ResetLine

SILENCE_S = 0.1
DRAIN_S = 1.0
"""A module that prints without end is not waited for longer than this."""
ESCAPE_S = 1.1
"""After `+++`; the firmware needs 1 s (at-dialects 7.10)."""
ESCAPE_GUARD_S = 0.05
"""Around `+++`; the firmware needs 20 ms (at-dialects 7.10)."""
ECHO_S = 0.3
"""How long an echo of it is waited for; most lines need a few ms, and all others find the long way."""
PATIENCE_S = (1.2, 2.4)
"""How long an answer may take before the question is asked again, and before it is given up: together more
than 3 s, so late may the answer to the first one come."""
ANSWERED_S = 3.2
"""On a line that was silent for so long after a question, no answer to it is to come."""
LATE_S = 3.5
"""How long the answers to the other questions are waited for, once there is one."""
ALIVE_S = 30.0
"""How long a module that boots or is busy is waited for; by taste."""
ASK_AGAIN_S = 1.0
"""Between two questions to a module that is alive and does not answer them."""
SHOWN_BYTES = 80
"""How much of the input an error shows."""

LINE_END = b" " * 128 + b"\r\n"
"""Behind what was said at another rate. With a NUL in its line buffer 1.0 ignores line ends (real-firmware)
until it holds 128 bytes (observed).
"""
QUESTION = b"AT+CIPMUX?\r\n"
ANSWER = re.compile(rb"\+CIPMUX:[01]\r\n(?:(?!\+CIPMUX).*\r\n)*?OK\r\n")
REFUSED = re.compile(rb"busy p\.\.\.\r\n")
READY = re.compile(rb".*(?:^|\n)ready\r\n", re.S)
WORDS = re.compile(rb"(?:OK|ERROR|busy p\.\.\.|ready)\r\n")
"""What only an AT firmware prints, and only the right rate shows."""

OTHER_RATES_BAUD = (115200, 921600, 460800, 230400, 57600, 38400, 9600)
GLANCE_S = 0.2
"""How long each other rate is listened to on a silent line: on what answers later, something is heard later,
and each is listened to for RATE_S.
"""
RATE_S = 1.3
RESET_PULSE_S = 0.1
RESET_S = 3.0
"""From the reset line to `ready`: 2 s on hardware (at-dialects 8.1), and the time of a slow line."""

FILLER = b"\r\n" * 512
FILLER_BYTES = 48 * 1024
"""The longest data phase that is filled up: at 115200 baud a silent line is named within 10 s, by taste."""
FILLER_S = 30.0
FILLER_BYTE_S = 2e-5
"""Not sent faster than this, where the rate of the line is not known; by taste."""
FILLED_S = 0.4
"""How long an answer is waited for behind the last piece: what lies behind a data phase is answered."""
FLOOD_S = 10.0
"""How long the answers to empty lines that were too many are waited for."""

log = logging.getLogger("esp32sock")


class ForeignDeviceError(PortError):
    """Something answers that is no ESP-AT module."""

    errno = errno.EPROTO

    def __init__(self, port: str, heard: bytes) -> None:
        super().__init__(
            f"what answers on {port} is not an ESP-AT module: it sent {heard[-SHOWN_BYTES:]!r} and no "
            "answer; `esp32sock doctor` says what it may be"
        )
        self.heard = heard
        """What it sent, the last few kilobytes."""


async def probe(
    channel: CommandChannel,
    *,
    reset: ResetLine | None = None,
    fill: bool = False,
    restart: bool = False,
    find_rate: bool = True,
) -> None:
    """Leave whatever mode the module is in and wait for its answer; PortError with the reason if not.

    At most 10 s at 115200 baud and more; 5 s more where something answers that is not understood, and up to
    30 s for a module that shows that it is alive; with `restart` it is restarted then and waited for again.
    On a silent line `reset` names the adapter's line that restarts the module (10 s more), and `fill` allows
    FILLER_BYTES of empty lines: 4 s at 115200 baud, at most 30 s.
    Without `find_rate` no other rate is tried: a module that is only away is found sooner then.
    """
    port = channel.port
    if reset is not None:
        port.set_line(reset, on=False)  # an adapter that has no such line says so before anything else
    await until_quiet(channel)
    await _escape(channel)
    greeting = channel.sample
    line = _Line(channel)
    questions, asked_s = Questions(channel), trio.current_time()
    if await questions.ask(PATIENCE_S[0]):
        return
    patience_s: tuple[float, ...] = PATIENCE_S[1:]
    if line.is_silent and find_rate:
        await _reject_other_rate(channel, GLANCE_S)
        channel.write_raw(LINE_END)
        patience_s = PATIENCE_S
    if line.is_silent and reset is not None and await restart_by_line(channel, reset):
        return
    if line.is_silent and fill:
        await line.until_heard(asked_s + ANSWERED_S - trio.current_time())
    if line.is_silent and fill:
        await _fill_data_phase(channel)
        if line.is_silent:
            raise _no_module(channel, greeting + channel.sample)
        questions, patience_s = Questions(channel), PATIENCE_S
    if await _synchronise(channel, questions, patience_s, restart=restart):
        return
    sample = channel.sample
    if find_rate and not line.is_silent and not _is_at(sample) and not questions.were_echoed:
        await _reject_other_rate(channel, RATE_S)
    raise _no_module(channel, greeting + sample)


async def _escape(channel: CommandChannel) -> None:
    """End passthrough, or a data phase that `+++` ends; what was said before is no command's beginning then.

    A module that echoes `+++` and refuses it as a line is in command mode. An echo alone may be an adapter's,
    and the module in passthrough: so nothing follows before the guard time has passed, and then the long way.
    """
    quiet_bytes = len(channel.sample)
    channel.write_raw(ESCAPE_SEQUENCE)
    started_s, is_echoed = trio.current_time(), False
    with trio.move_on_after(ECHO_S):
        await channel.until_heard(lambda heard: heard[quiet_bytes:] == ESCAPE_SEQUENCE)
        is_echoed = True
        await trio.sleep(ESCAPE_GUARD_S)
        channel.write_raw(b"\r\n")
        await channel.until_heard(lambda heard: heard.endswith(b"ERROR\r\n"))
        return
    if is_echoed:
        await until_quiet(channel)
        channel.write_raw(ESCAPE_SEQUENCE)
        started_s = trio.current_time()
    await trio.sleep_until(started_s + ESCAPE_S)
    channel.write_raw(b"\r\n")
    await until_quiet(channel)


class _Line:
    """Whether anything arrives on a line from now on."""

    def __init__(self, channel: CommandChannel) -> None:
        self._channel = channel
        self._heard_bytes = channel.heard_bytes

    @property
    def is_silent(self) -> bool:
        return self._channel.heard_bytes == self._heard_bytes

    async def until_heard(self, at_most_s: float) -> None:
        """Until anything is, or so long."""
        with trio.move_on_after(max(0.0, at_most_s)):
            await self._channel.until_heard(lambda _: not self.is_silent)


def _no_module(channel: CommandChannel, sample: bytes) -> PortError:
    """Nothing is understood at any usual rate."""
    port = channel.port
    if not channel.heard_bytes:
        return PortError(
            f"nothing answers on {port.name} at {port.baudrate} baud or any other usual rate: is the module "
            "powered, are TX and RX crossed, is this its AT port (GPIO16 and 17 on a WROOM-32)?",
            errno=errno.ENODEV,
        )
    return ForeignDeviceError(port.name, sample)


def _is_at(heard: bytes) -> bool:
    """Whether an AT firmware printed this, read at the right rate."""
    return WORDS.search(heard) is not None


async def until_quiet(channel: CommandChannel, at_most_s: float = DRAIN_S) -> None:
    """Until nothing has arrived for SILENCE_S; at most so long."""
    with trio.move_on_after(at_most_s):
        heard = -1
        while heard != channel.heard_bytes:
            heard = channel.heard_bytes
            await trio.sleep(SILENCE_S)


# -- questions and answers --------------------------------------------------------------------------------


async def _synchronise(
    channel: CommandChannel,
    questions: Questions,
    patience_s: tuple[float, ...] = PATIENCE_S,
    *,
    restart: bool = False,
) -> bool:
    """Ask until the module answers, then let every other answer come; False if it never does.

    `patience_s`: how long to wait for each answer.

    PortError if it shows that it is alive, and does not answer for ALIVE_S, or twice that with a restart.
    """
    for seconds in patience_s:
        if await questions.ask(seconds):
            return True
    if not questions.show_life:
        return False
    log.warning("the module on %s boots or is busy; waiting up to %d s", channel.port.name, ALIVE_S)
    if await questions.ask_for(ALIVE_S):
        return True
    if restart:
        log.warning("the module on %s stays busy; restarting it", channel.port.name)
        channel.write_raw(b"\r\n")
        await trio.sleep(SILENCE_S)
        channel.write_raw(b"AT+RST\r\n")  # gets through whatever is going on (at-dialects 3.4)
        if await questions.ask_for(ALIVE_S):
            return True
    raise PortError(
        f"the module on {channel.port.name} is alive but has not answered for {ALIVE_S:.0f} s: it may still "
        "work at a command of an earlier program; wait, or restart it",
        errno=errno.ETIMEDOUT,
    )


class Questions:
    """The questions that went out, and the answers that came."""

    def __init__(self, channel: CommandChannel) -> None:
        self._channel = channel
        self._asked = 0
        self.was_ready = False
        """Whether it printed `ready` since the first one."""
        channel.sample = b""

    @property
    def were_echoed(self) -> bool:
        """Whether nothing came but what was written: an echo that is legible has the right rate."""
        heard = self._channel.sample
        return heard != b"" and not heard.replace(QUESTION, b"").strip()

    @property
    def show_life(self) -> bool:
        """Whether anything came that only an AT firmware prints."""
        return self.was_ready or _is_at(self._channel.sample)

    async def ask(self, patience_s: float) -> bool:
        """Ask once more. Whether an answer came within so long; then no other one is still to come."""
        self._channel.write_raw(QUESTION)
        self._asked += 1
        with trio.move_on_after(patience_s):
            await self._channel.until_heard(lambda heard: bool(READY.match(heard) or ANSWER.search(heard)))
        if self._forget_before_ready() or not self._answered:
            return False
        await self._drain()
        return True

    async def ask_for(self, seconds: float) -> bool:
        """Ask again and again for so long; whether it answers."""
        with trio.move_on_after(seconds):
            while not await self.ask(ASK_AGAIN_S):
                pass
            return True
        return False

    @property
    def _answered(self) -> int:
        return len(ANSWER.findall(self._channel.sample))

    @property
    def _refusals(self) -> int:
        return len(REFUSED.findall(self._channel.sample))

    def _forget_before_ready(self) -> bool:
        """A module that has just started answers nothing that it was asked before."""
        ready = READY.match(self._channel.sample)
        if ready is None:
            return False
        self._channel.sample = self._channel.sample[ready.end() :]
        self._asked, self.was_ready = self._answered, True
        return True

    async def _drain(self) -> None:
        with trio.move_on_after(LATE_S):
            await self._channel.until_heard(lambda heard: self._asked <= self._answered + self._refusals)
        if self._refusals:  # a line may run although it was refused (known-bugs 5)
            await until_quiet(self._channel)


# -- what may be wrong ------------------------------------------------------------------------------------


async def _reject_other_rate(channel: CommandChannel, patience_s: float) -> None:
    """PortError that names the usual rate at which the module is understood, if there is one."""
    rate = await _other_rate(channel, patience_s)
    if rate is not None:
        port = channel.port
        raise PortError(
            f"the module on {port.name} answers at {rate} baud, not at {port.baudrate}: use baudrate={rate} "
            f"(--baud {rate})",
            errno=errno.EPROTO,
        )


async def _other_rate(channel: CommandChannel, patience_s: float) -> int | None:
    """The usual rate at which the module is understood; the port is put back afterwards."""
    port = channel.port
    given = port.baudrate
    if given is None:
        return None
    try:
        for baud in OTHER_RATES_BAUD:
            if baud != given and port.set_baud(baud) and await _is_understood(channel, patience_s):
                return baud
    finally:
        port.set_baud(given)
    return None


async def _is_understood(channel: CommandChannel, patience_s: float) -> bool:
    channel.sample = b""
    channel.write_raw(b"\r\n")  # what was said at other rates stands in the module's line buffer
    with trio.move_on_after(patience_s):
        await trio.sleep(patience_s / 2)
        channel.write_raw(b"AT\r\n")
        await channel.until_heard(_is_at)
        return True
    return False


async def restart_by_line(channel: CommandChannel, reset: ResetLine) -> bool:
    """Restart the module by a line of its adapter; whether it answers then."""
    log.warning("the module on %s is silent; restarting it by %s", channel.port.name, reset.upper())
    other: ResetLine = "rts" if reset == "dtr" else "dtr"
    channel.port.set_line(other, on=False)  # with both on, the usual circuit does nothing
    channel.port.set_line(reset, on=True)
    await trio.sleep(RESET_PULSE_S)
    channel.port.set_line(reset, on=False)
    with trio.move_on_after(RESET_S):
        await channel.until_heard(_is_at)
    return await _synchronise(channel, Questions(channel))


async def _fill_data_phase(channel: CommandChannel) -> None:
    """End a data phase that nothing else ends, by empty lines, until anything arrives.

    If there is none, nothing takes them: the line is silent.
    """
    log.warning(
        "the module on %s is silent; it may wait for payload that an earlier program announced: sending "
        "up to %d bytes of empty lines (fill_data_phase=False forbids that)",
        channel.port.name,
        FILLER_BYTES,
    )
    line, sent_bytes = _Line(channel), 0
    started_s, byte_s = trio.current_time(), max(channel.session.s_per_byte, FILLER_BYTE_S)
    with trio.move_on_after(FILLER_S):
        while line.is_silent and sent_bytes < FILLER_BYTES:
            channel.write_raw(FILLER)
            sent_bytes += len(FILLER)
            await trio.sleep_until(started_s + sent_bytes * byte_s)
        await line.until_heard(FILLED_S)
    if not line.is_silent:
        log.warning("the module on %s answers again after %d bytes", channel.port.name, sent_bytes)
        await until_quiet(channel, FLOOD_S)
