"""A module that was known and fell silent, or came back with its port: find it again.

Theory of operation: it may have been stopped for a while, have restarted at the rate that it has stored, be
in a data phase or passthrough, or be stuck. So each round ends what may stand in its line buffer and asks
what cannot be mistaken, at the rate that worked last and at those that a restart may end at; every third
round of a rate begins with `+++` alone. A module that answers nothing, or nothing but `busy p...`, is
restarted: by AT+RST first, then by the line of the adapter that is named. Nothing here gives up: the channel
ends it. The channel is SYNCING all the time, so that no answer is owed for what was not answered.
"""

from __future__ import annotations

import logging
from collections import Counter
from itertools import cycle
from typing import TYPE_CHECKING

import trio

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock.engine.probe import (
    LINE_END,
    OTHER_RATES_BAUD,
    SILENCE_S,
    Questions,
    restart_by_line,
    until_quiet,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.options import ResetLine

PLUS_S = 1.1
"""After `+++` alone, before anything else (at-dialects 7.10)."""
ESCAPES_EVERY = 3
ANSWER_S = 0.7
"""How long an answer is awaited, beyond what the line was seen to need; by taste."""
RESTART_AFTER_S = 20.0
"""Silence and `busy p...` for so long, on top of what made the supervisor look for it; by taste."""
BOOT_S = 2.5
"""From AT+RST to `ready`: 2 s on hardware (real-firmware). Nothing is asked before."""
RESTARTS_S = 30.0
"""Between two tries to restart it: a restart takes up to 25 s (real-firmware)."""

log = logging.getLogger("esp32sock")


async def find_again(
    channel: CommandChannel, bauds: Sequence[int], *, reset: ResetLine | None = None, is_stuck: bool = False
) -> None:
    """Until the module answers at one of these rates, or at another usual one; the port is at it then.

    `is_stuck`: it was busy for long enough, and is restarted unless it answers at once.
    PortError when the port is lost. Waits without a bound; at most 4 s once the module answers.
    """
    restart_at = trio.current_time() + (0.0 if is_stuck else RESTART_AFTER_S)
    visits: Counter[int] = Counter()
    restarts = 0
    for baud in _rates(bauds):
        visits[baud] += 1
        async with channel.setting_up():  # only so long, since what waits for it ends with an error then
            if channel.port.baudrate not in (None, baud):
                channel.set_baud(baud)
            if await _is_answering(channel, escapes=visits[baud] % ESCAPES_EVERY == 0):
                return
            if trio.current_time() >= restart_at:
                if await _restart(channel, reset if restarts else None):
                    return
                restarts += 1
                restart_at = trio.current_time() + RESTARTS_S


async def _restart(channel: CommandChannel, reset: ResetLine | None) -> bool:
    """By the line of the adapter that is named, or by AT+RST; whether it answers at once."""
    if reset is not None:
        return await restart_by_line(channel, reset)
    log.warning("the module on %s does not answer: AT+RST", channel.port.name)
    await channel.force_restart()
    await channel.until_booted(BOOT_S)
    return False


async def _end_line(channel: CommandChannel) -> None:
    """A line without words, alone: what comes in one write with another is dropped (real-firmware)."""
    channel.write_raw(LINE_END)
    await trio.sleep(SILENCE_S)


async def _is_answering(channel: CommandChannel, *, escapes: bool) -> bool:
    """Whether it answers, after `+++` alone or just behind the end of a line, and has no more to print."""
    if escapes:
        channel.write_raw(ESCAPE_SEQUENCE)
        await trio.sleep(PLUS_S)
    await _end_line(channel)
    questions = Questions(channel)
    if not await _ask(channel, questions):
        return False
    await until_quiet(channel)
    return True


async def _ask(channel: CommandChannel, questions: Questions) -> bool:
    """Whether an answer comes; a module that has just printed `ready` gets one more try."""
    patience_s = ANSWER_S + channel.session.grace_s
    return await questions.ask(patience_s) or (questions.was_ready and await questions.ask(patience_s))


def _rates(bauds: Sequence[int]) -> Iterator[int]:
    """The first every other time, between the others that are known and, now and then, one that is not."""
    others = cycle([baud for baud in OTHER_RATES_BAUD if baud not in bauds])
    while True:
        for baud in [*bauds[1:], next(others)]:
            yield bauds[0]
            yield baud
