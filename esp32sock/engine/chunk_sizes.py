"""How much of a stream goes in one command: by firmware, flow control, contention and measured turn-around.

Theory of operation: a CIPSEND costs two turn-arounds of the line for at most 8192 bytes; a CIPSENDL costs two
for as much as is at hand. It needs flow control, since the module reads on while its network does not take
anything (at-dialects 7.5), and it holds the channel: so it is used only for a stream that keeps coming, while
no other task wants the line, and for no more than the line carries in a time of which the turn-arounds, as
measured, are a small part. A contended line carries short chunks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from esp32sock.at.commands import tcpip
from esp32sock.at.commands.longsend import LongSendSettings, SendLong, SetLongSend
from esp32sock.errors import CommandError

if TYPE_CHECKING:
    from esp32sock.at.framing import Chunk
    from esp32sock.engine.channel import CommandChannel

CHUNK_BYTES = 5760
"""Four full segments, the module's TCP send buffer: with more, SEND OK waits for the peer
(performance-facts 2.6)."""
SHARED_BYTES = 1440
SHARED_S = 0.05
"""A chunk while other tasks want the channel too: one segment, or what the line carries in SHARED_S."""
LONG_BYTES = 256 * 1024
"""The most that one link may keep for its next command."""
TURNS = 100
LONG_LEAST_S, LONG_MOST_S = 0.25, 1.0
"""How long a long send may hold the line: TURNS round trips, within these bounds; by taste."""
SETTINGS = LongSendSettings(report_bytes=4096, packet_bytes=2920)
"""Packets as by default; a report of 25 bytes for each 4096 keeps the other direction free."""
ANSWERS = ("SEND FAIL", "ERROR")
"""What a long send ends with whose link has ended."""

log = logging.getLogger("esp32sock")


class ChunkSizes:
    """The chunks of one link; `secure`: of SSL, where CIPSENDL was never seen."""

    def __init__(self, channel: CommandChannel, *, secure: bool) -> None:
        self._channel = channel
        self._prepared_in: int | None = None
        self._may_be_long = not secure and channel.session.firmware.sends_long
        self.usual_bytes = min(CHUNK_BYTES, channel.session.firmware.cipsend_max)
        self.shared_bytes = max(SHARED_BYTES, int(SHARED_S / (channel.session.s_per_byte or 1e-9)))

    async def limit(self, *, streaming: bool) -> int:
        """How much the next command carries; `streaming`: more comes. Called holding the channel."""
        if self._channel.turns.are_contended:
            return min(self.shared_bytes, self.usual_bytes)
        long_bytes = self._long_bytes if streaming else 0
        return long_bytes if long_bytes and await self._prepare() else self.usual_bytes

    async def send(self, link_id: int, chunk: Chunk) -> tcpip.Send | SendLong:
        """Send this chunk, and give the command that did; CommandError as the module answers.

        A long send that ends in no answer has lost bytes on its way: there are no more of them then.
        """
        if len(chunk.payload) <= self._channel.session.firmware.cipsend_max:
            send = tcpip.Send(link_id, chunk)
            await self._channel.execute_exclusive(send)
            return send
        long = SendLong(link_id, chunk.payload)
        try:
            await self._channel.execute_exclusive(long)
        except CommandError as error:
            if error.result not in ANSWERS:
                log.warning("%s; no long sends until the module restarts", error)
                self._channel.has_flow_control = False
            raise
        return long

    @property
    def _long_bytes(self) -> int:
        """How much a long send would carry now; 0 where CIPSEND is as good, or all that is possible."""
        session = self._channel.session
        if not (self._may_be_long and self._channel.has_flow_control and session.s_per_byte):
            return 0
        held_s = min(LONG_MOST_S, max(LONG_LEAST_S, TURNS * session.prompt_s))
        most = min(LONG_BYTES, int(held_s / session.s_per_byte))
        return most if most >= 2 * session.firmware.cipsend_max else 0

    async def _prepare(self) -> bool:
        """Set the module up for long sends, once after each start; whether it can."""
        if self._prepared_in != self._channel.era:
            try:
                await self._channel.execute_exclusive(SetLongSend(SETTINGS))
            except CommandError as error:
                log.debug("no long sends: %s", error)
                self._may_be_long = error.result != "ERROR"
                return False
            self._prepared_in = self._channel.era
        return True
