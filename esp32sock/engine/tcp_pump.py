"""One stream link joined to one end of a socket pair: bytes up, bytes down, and every way to end.

Theory of operation. *Down*: payload goes straight into the pair from the reading task; what the pair does not
take is kept in order and written by a task that waits until it does. *Up*: when the pair has bytes, the link
waits for the channel and only then reads them, as many as one chunk carries, so small writes that had to wait
are merged. Meanwhile the next chunk is read ahead. A link whose peer is a link of this module (its loopback
peer) also waits until the reader there has taken most of what is under way.

How it ends:
* the application closes: what it had sent is delivered, then the link is closed;
* the application shuts its writing half: the module cannot, so the link stays until the peer or the
  application closes, or nothing was received for `half_close_s`;
* the peer closes: what it had sent goes to the application, then the engine's half of the pair is shut.
  What the application still writes is dropped, and its writes then fail, as on Linux. If bytes are there
  already that can no longer be sent, the events get ECONNRESET, and the pair is closed with what is unread
  in it: the kernel says the same behind the last received byte;
* the interface closes (`finish`): what was sent is delivered. If neither the application nor the peer has
  closed, more might have come: the stream then ends with an error behind what was received;
* anything doubtful: the events get the error, then the pair is closed.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from socket import SHUT_WR
from typing import TYPE_CHECKING, NoReturn

import trio

from esp32sock._hangup import hung_up, unread_in_pair
from esp32sock.at.framing import stream_chunk
from esp32sock.engine.chunk_sizes import ChunkSizes
from esp32sock.engine.hangup import HangupWatch
from esp32sock.engine.link_ends import detached, unsent
from esp32sock.engine.read_ahead import ReadAhead
from esp32sock.engine.receive_mode import PassiveReader
from esp32sock.engine.stall_workaround import StallWatch
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from esp32sock.at.framing import Demux
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.link_pool import LinkPool
    from esp32sock.engine.unread_looks import UnreadLooks

WINDOW_BYTES = 5760
"""What a link's other end takes before its reader reads: the module's TCP window (performance-facts 2.4)."""
BLOCKED_S = 2.0
"""Once the peer has closed, an application with bytes to send may read nothing for so long, or twice that."""
DROPPED_BYTES = 8192
"""At a time, of what is written to a peer that is gone."""
HALF_CLOSE_LOOK_S = 0.25
"""Between two looks at whether a reader that is behind has caught up, on a link that is half closed."""


class StreamPump:
    """The life of one open stream link; with `looks` it receives passively."""

    def __init__(
        self,
        channel: CommandChannel,
        pool: LinkPool,
        link_id: int,
        end: _socket.socket,
        *,
        half_close_s: float,
        account: Callable[[int], None],
        looks: UnreadLooks | None = None,
    ) -> None:
        self.link_id = link_id
        self.unread_bytes = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self._channel = channel
        self._end = end
        self._half_close_s = half_close_s
        self._account = account
        self._unread: deque[memoryview] = deque()
        self._more = trio.Event()
        self._heard_at = trio.current_time()
        self._peer_closed = False
        self._error: Error | None = None
        self._scope = trio.CancelScope()
        self._running = False
        self._ended = False
        self._sending = False  # from the first byte on
        self._reader = None if looks is None else PassiveReader(channel, link_id, looks)
        self._stalls = StallWatch(channel, pool, link_id)
        self._emptied = trio.Event()
        self._finishing = trio.Event()
        self._loopback_peer: StreamPump | None = None
        self._peer_read = trio.Event()
        self._sizes = ChunkSizes(channel, secure=link_id in pool.secure)
        self._ahead = ReadAhead(end, self._sizes.usual_bytes)
        self._is_streaming = False  # more was there when the chunk before had gone

    @property
    def was_used(self) -> bool:
        """Whether anything was sent or received, or is about to be."""
        return self._sending or bool(self.received_bytes) or self._has_more_to_send

    @property
    def acknowledged_bytes(self) -> int:
        """How much of what was received the application's socket has."""
        return self.received_bytes - self.unread_bytes

    @property
    def idle_since(self) -> float:
        return float("inf") if self._ahead or self._unread else max(self._heard_at, self._ahead.read_at)

    @property
    def running(self) -> bool:
        """Whether its link is open and its bytes are counted here, not yet by the module."""
        return self._running

    # -- called from outside --------------------------------------------------------------------------

    def collect(self, demux: Demux) -> None:
        """Take what lies in the demultiplexer for this link."""
        self.feed(demux.take(self.link_id))

    def feed(self, data: bytes) -> None:
        """Payload of the link, in order; never waits."""
        if self._scope.cancel_called:
            return
        self.received_bytes += len(data)
        self._heard_at = trio.current_time()
        rest = memoryview(data)
        if self._running and not self._unread:
            rest = rest[self._write(rest) :]
            self._notify_loopback_peer()
        if rest:
            self._unread.append(rest)
            self._count(len(rest))
            self._more.set()

    def announce(self) -> None:
        """Passive receive: the module holds something for this link."""
        if self._reader is not None:
            self._reader.announce()

    def pair(self, peer: StreamPump) -> None:
        """The peer is a link of this very module: neither sends more than the other's reader has room for.

        Otherwise CIPSEND waits for that reader while it keeps the module from delivering anything to it.
        """
        if not (self._ended or peer._ended):
            self._loopback_peer, peer._loopback_peer = peer, self

    def peer_closed(self) -> None:
        """The module closed the link after everything that was fed."""
        self._peer_closed = True
        self._more.set()

    def finish(self) -> None:
        """The interface closes: deliver what the application has sent, then end, closed or not."""
        self._finishing.set()

    def fail(self, error: Error) -> None:
        """Nothing more can be trusted: end now."""
        if self._error is None and not self._scope.cancel_called:
            self._error = error
            self._scope.cancel()

    def discard(self) -> None:
        """Drop what came and comes; the pump does not run any more, or never did."""
        self._scope.cancel()
        self._count(-self.unread_bytes)
        self._unread.clear()

    # -- running --------------------------------------------------------------------------------------

    async def run(self, filler_bytes: int = 0) -> Error | None:
        """Pump until the link has ended, and close the pair; the error if it did not end well."""
        self.drop(filler_bytes)
        self._running = True
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._down, nursery.cancel_scope)
                    nursery.start_soon(self._up, nursery.cancel_scope)
                    nursery.start_soon(self._ahead.run)
                    nursery.start_soon(self._finish, nursery.cancel_scope)
                    nursery.start_soon(self._stalls.run)
                    if self._reader is not None:
                        nursery.start_soon(self._pull, self._reader)
        finally:
            self._running = False
            self._ended = True
            self._unpair()
            self.discard()
        if self._error is None and self._peer_closed and self._ahead:
            self._error = unsent(len(self._ahead))
        return self._error

    def shut_writing(self) -> bool:
        """After an end by the peer: the application sees it now; False if the pair must be closed."""
        fd = self._end.fileno()
        if not self._peer_closed or hung_up(fd) or HangupWatch.readable(fd):
            return False
        self._end.shutdown(SHUT_WR)
        return True

    async def linger(self) -> None:
        """After `shut_writing`: until the application closes too; what it writes meanwhile is dropped."""
        try:
            with suppress(OSError, trio.ClosedResourceError):  # nothing more there, or closed meanwhile
                await trio.lowlevel.wait_readable(self._end)
                while self._end.recv(DROPPED_BYTES):
                    pass
        finally:
            self.close_end()

    def close_end(self) -> None:
        """The application sees the end now. Idempotent."""
        if self._end.fileno() >= 0:
            trio.lowlevel.notify_closing(self._end)
            self._end.close()

    def drop(self, filler_bytes: int) -> None:
        """Take out exactly what kept the application's end unwritable while it was connecting."""
        with suppress(BlockingIOError):  # there is less than was said: a client of a broker may lie
            while filler_bytes and (dropped := self._end.recv(filler_bytes)):
                filler_bytes -= len(dropped)

    def _count(self, change_bytes: int) -> None:
        self.unread_bytes += change_bytes
        self._account(change_bytes)

    # -- down -----------------------------------------------------------------------------------------

    def _write(self, data: memoryview) -> int:
        """Write what the pair takes now; everything counts as written once the application has closed."""
        try:
            return self._end.send(data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            return len(data)

    async def _down(self, both: trio.CancelScope) -> None:
        """Write what is kept; once the peer has closed and everything is written, the link is over."""
        while True:
            while self._unread:
                written = self._write(self._unread[0])
                self._count(-written)
                self._notify_loopback_peer()
                if written == len(self._unread[0]):
                    self._unread.popleft()
                else:
                    self._unread[0] = self._unread[0][written:]
                    await trio.lowlevel.wait_writable(self._end)
            self._emptied.set()
            if self._peer_closed and not (self._reader is not None and self._reader.is_pulling):
                both.cancel()
                return
            self._more = trio.Event()
            await self._more.wait()

    async def _pull(self, reader: PassiveReader) -> None:
        """Passive receive: fetch a piece whenever the application has taken the one before."""
        try:
            while not self._peer_closed:
                await reader.wait()
                while self._unread:
                    self._emptied = trio.Event()
                    await self._emptied.wait()
                if not self._peer_closed:
                    await reader.pull(self._sizes.shared_bytes)
                    self._more.set()
        except Error as error:
            if reader.is_pulling or not self._peer_closed:
                self.fail(error)

    # -- up -------------------------------------------------------------------------------------------

    async def _up(self, both: trio.CancelScope) -> None:
        try:
            while await self._send_available():
                if not self._ahead:
                    await trio.lowlevel.wait_readable(self._end)
                await self._loopback_peer_has_room()
            if not hung_up(self._end.fileno()):
                with HangupWatch(self._end.fileno()) as hangup:
                    await self._wait_half_closed(hangup)
        except Error as error:
            self._sending_failed(error)
            await self._end_blocked_writer()
        both.cancel()

    def _sending_failed(self, error: Error) -> None:
        """No harm once the peer has closed: the rest of what it sent is still on its way to the reader."""
        if not (self._peer_closed and isinstance(error, CommandError)):
            self.fail(error)

    async def _send_available(self) -> bool:
        """Send what one hold of the channel allows; False at the end of the application's stream."""
        async with self._channel.exclusive():
            if not self._peer_closed:
                return await self._send_chunks()
        await self._end_blocked_writer()

    async def _end_blocked_writer(self) -> NoReturn:
        """Nothing can be sent any more: `_down` or the failure ends both; this a writer that never reads."""
        while True:
            unread = self.unread_bytes
            await trio.sleep(BLOCKED_S)
            self._ahead.read()
            if self._peer_closed and self.unread_bytes == unread and HangupWatch.readable(self._end.fileno()):
                self.fail(unsent(len(self._ahead)))

    async def _send_chunks(self) -> bool:
        streaming = self._is_streaming and self._loopback_peer is None
        limit = await self._sizes.limit(streaming=streaming)
        self._ahead.room_bytes = max(self._sizes.usual_bytes, limit)
        data = memoryview(self._ahead.take(limit))
        self._sending = self._sending or bool(data)
        more = self._ahead.read() > 0
        if (more or self._is_streaming) and not self._finishing.is_set():  # `_up` may wait for the end then
            self._ahead.start_gathering()
        try:
            while data:
                await trio.lowlevel.checkpoint_if_cancelled()  # the id may be another connection's by now
                if self._peer_closed:
                    self._ahead.put_back(data)
                    return True
                chunk = stream_chunk(self.link_id, data, limit)
                await self._stalls.sent(await self._sizes.send(self.link_id, chunk))
                self.sent_bytes += len(chunk.payload)
                data = data[len(chunk.payload) :]
        finally:
            self._ahead.stop_gathering()
        self._is_streaming = bool(self._ahead.read() or self._ahead)
        return bool(self._ahead) or not self._ahead.at_end

    async def _loopback_peer_has_room(self) -> None:
        while (
            self._loopback_peer is not None
            and self.sent_bytes - self._loopback_peer.acknowledged_bytes >= WINDOW_BYTES
        ):
            self._peer_read = trio.Event()
            await self._peer_read.wait()

    def _notify_loopback_peer(self) -> None:
        if self._loopback_peer is not None:
            self._loopback_peer._peer_read.set()

    def _unpair(self) -> None:
        self._notify_loopback_peer()
        if self._loopback_peer is not None:
            self._loopback_peer._loopback_peer = None
            self._loopback_peer = None

    @property
    def _has_more_to_send(self) -> bool:
        """Whether there is what is in no chunk yet."""
        return bool(self._ahead) or HangupWatch.readable(self._end.fileno())

    async def _finish(self, both: trio.CancelScope) -> None:
        """The interface is closing: send what is there, until nothing is left."""
        await self._finishing.wait()
        fd = self._end.fileno()
        try:
            while await self._send_available() and self._has_more_to_send:
                pass
        except Error as error:
            self._sending_failed(error)
        if self._peer_closed:
            return  # `_down` ends both when the reader has everything
        if not hung_up(fd):
            self.fail(detached())
        both.cancel()

    async def _wait_half_closed(self, hangup: HangupWatch) -> None:
        """Until the application closes, or the peer is silent for long enough while nothing is on its way."""
        silent_since = trio.current_time()
        while True:
            now = trio.current_time()
            silent_since = now if self._is_behind else max(silent_since, self._heard_at)
            close_at = silent_since + self._half_close_s
            if now >= close_at and not self._is_behind:
                return
            with trio.move_on_at(min(close_at, now + HALF_CLOSE_LOOK_S)):
                await hangup.wait()
                return

    @property
    def _is_behind(self) -> bool:
        """Whether the application has not read everything that its peer sent, as far as that is known."""
        announced = self._reader is not None and self._reader.is_behind
        return bool(self.unread_bytes) or announced or unread_in_pair(self._end.fileno())
