"""Passthrough: one TCP or UDP link as a plain stream of bytes, without a command between them.

Theory of operation (at-dialects 7.10): in single-link mode, with AT+CIPMODE=1 and one link open, AT+CIPSEND
answers with a prompt, and from there on the line carries payload both ways. Exactly `+++`, with 20 ms of
silence before and behind it, leaves. So:

* to leave, we are silent, write these three bytes in one go, are silent again and wait a second;
* payload must never look like that: what would make exactly three pluses between two silences is cut, with
  a silence of our own in the cut. Longer runs, and pluses within other bytes, are payload to the module;
* what the other side says between AT+CIPMODE=1 and the prompt comes bare and is taken for text: it is lost.
  Before, it comes by +IPD, and behind the prompt as payload;
* the module says nothing on leaving, and a link that breaks it opens again by itself: what was written
  meanwhile is lost, and nobody is told (from 2.0 on).
"""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import trio

from esp32sock.at.commands import basic, secure, servers, tcpip, transparent, udp
from esp32sock.at.events import Event, UnknownText
from esp32sock.at.framing import STREAM
from esp32sock.errors import CommandError, Error, PortError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from esp32sock.module.talk import Talk

Kind = Literal["TCP", "UDP", "SSL"]

SILENCE_S = 0.05
"""The module's guard is 20 ms; what adapters add is allowed for (known-bugs 17)."""
IDLE_S = 0.005
"""We were silent for so long: to the module it may have been 20 ms, when an adapter was slow with what came
before."""
LEAVE_S = 1.0
"""V1.0, 5.2.4: wait at least one second before the next command."""
PROMPT_S = 5.0
LINK = 0
PLUSES = b"+++"


class Passthrough:
    """The stream: `send` and `receive` bytes."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._entered = trio.Event()
        self._received, self._chunks = trio.open_memory_channel[bytes](float("inf"))
        self._pluses = 0
        """How many pluses, and nothing else, were written since the last silence; 3 for anything else."""
        self._wrote_at = float("-inf")

    async def receive(self) -> bytes:
        """What came since the last call, at least one byte; PortError when the port is lost."""
        try:
            return await self._chunks.receive()
        except trio.EndOfChannel:
            raise self._talk.dialogue.error or PortError("the port was closed") from None

    async def send(self, data: bytes) -> None:
        """All of it, once the port has taken it."""
        if trio.current_time() - self._wrote_at >= IDLE_S:
            self._pluses = 0
        for piece in self._harmless(data):
            if not piece:
                await trio.sleep(SILENCE_S)
                self._pluses = 0
                continue
            self._pluses = (
                min(len(PLUSES), self._pluses + len(piece)) if not piece.strip(b"+") else len(PLUSES)
            )
            await self._talk.port.send(piece)
            self._wrote_at = trio.current_time()

    def _harmless(self, data: bytes) -> tuple[bytes, ...]:
        """The data in pieces; an empty one stands for a silence."""
        if data.strip(b"+") or self._pluses + len(data) != len(PLUSES):
            return (data,)
        return (data[:1], b"", data[1:]) if len(data) == len(PLUSES) else (b"", data)

    # -- in the dialogue's reading task ---------------------------------------------------------------

    def payload(self) -> None:
        data = self._talk.dialogue.session.demux.take(LINK)
        if data:
            self._received.send_nowait(data)

    def event(self, event: Event) -> None:
        """The prompt: from this byte on everything is payload."""
        if isinstance(event, UnknownText) and event.text == b">" and not self._entered.is_set():
            self._talk.dialogue.session.demux.enter_passthrough(LINK)
            self._entered.set()

    def port_lost(self) -> None:
        self._received.close()

    # -- entering and leaving -------------------------------------------------------------------------

    async def enter(self) -> None:
        talk = self._talk
        dialogue, demux = talk.dialogue, talk.dialogue.session.demux
        demux.set_sink(LINK, STREAM)
        await talk.execute(tcpip.SetPassthrough(on=True))
        dialogue.on_outcome = demux.expect_prompt
        try:
            await talk.execute(transparent.EnterPassthrough())
        finally:
            dialogue.on_outcome = None
        with trio.move_on_after(PROMPT_S):
            await self._entered.wait()
            return
        raise CommandError("AT+CIPSEND", "OK, but no prompt came")

    async def leave(self) -> None:
        """Back to commands; harmless if it never entered."""
        if not self._entered.is_set() or self._talk.dialogue.error is not None:
            return
        await trio.sleep(SILENCE_S)
        await self._talk.port.send(PLUSES)
        await trio.sleep(SILENCE_S + LEAVE_S)
        self._talk.dialogue.session.demux.leave_passthrough()


@asynccontextmanager
async def passthrough(talk: Talk, host: str, port: int, kind: Kind = "TCP") -> AsyncIterator[Passthrough]:
    """Open one link in passthrough mode, and leave the module as it was found.

    Error(EBUSY) when something is open on the module; CommandError when the link or the mode cannot be had.
    """
    if await talk.execute(tcpip.Links()):
        raise Error("the module has links open, and passthrough needs it alone: see `esp32sock links`").means(
            errno.EBUSY
        )
    multiplexed = await talk.execute(tcpip.Multiplexed())
    if multiplexed:
        await talk.has(servers.StopListening())
        await talk.execute(tcpip.SetMultiplexed(on=False))
    stream = Passthrough(talk)
    talk.divert(stream)
    try:
        await talk.execute(_opening(host, port, kind))
        await stream.enter()
        yield stream
    finally:
        with trio.CancelScope(shield=True):
            await stream.leave()
            talk.divert(None)
            if talk.dialogue.error is None:
                await _put_back(talk, multiplexed=multiplexed)


def _opening(host: str, port: int, kind: Kind) -> tcpip.OpenTcp | udp.OpenUdp | secure.OpenSsl:
    if kind == "UDP":
        return udp.OpenUdp(None, (host, port))
    return (tcpip.OpenTcp if kind == "TCP" else secure.OpenSsl)(None, host, port)


async def _put_back(talk: Talk, *, multiplexed: bool) -> None:
    """Normal mode, no link, and as many as were allowed before."""
    await talk.has(basic.Test())
    await talk.has(tcpip.SetPassthrough(on=False))
    await talk.has(tcpip.Close())
    if multiplexed:
        await talk.has(tcpip.SetMultiplexed(on=True))
