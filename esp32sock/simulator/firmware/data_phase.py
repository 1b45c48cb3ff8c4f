"""Data phases: payload that the host writes behind a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.receiver import Receiver
    from esp32sock.simulator.kernel import Mailbox

CANCEL = b"+++"
END = b"\\0"
"""Ends the payload of CIPSENDEX (V1.0 5.2.5)."""


class DataPhase:
    """Collects exactly `length` bytes, or is cancelled by a read of exactly `+++`.

    Events go to the mailbox as they come: a piece of payload, or None for the cancellation. A length of None
    is never reached.
    """

    def __init__(self, receiver: Receiver, length: int | None) -> None:
        self._receiver = receiver
        self.length = length
        self.taken = 0
        self.finished = False
        self.events: Mailbox[bytes | None] = receiver.new_mailbox()

    def __call__(self, data: bytes, separate: bool) -> bytes:
        """One read; gives back what is not ours."""
        if separate and data == CANCEL:
            # Also as the last piece of a longer payload, or a first one of more than three (plus-plus-plus
            # files).
            self._receiver.undivert()
            self.events.put(None)
            return b""
        if self.length is None:
            return b""
        return self._collect(data, self.length - self.taken)

    def _collect(self, data: bytes, wanted: int) -> bytes:
        piece, rest = (data, b"") if len(data) <= wanted else (data[:wanted], data[wanted:])
        self.taken += len(piece)
        self._put(piece, finished=self.taken == self.length)
        return rest

    def _put(self, piece: bytes, *, finished: bool) -> None:
        if finished:
            self.finished = True
            self._receiver.undivert()
        self.events.put(piece)

    async def collect(self) -> list[bytes] | None:
        """The whole payload in pieces; None if it was cancelled."""
        pieces: list[bytes] = []
        while len(self.events) or not self.finished:
            piece = await self.events.get()
            if piece is None:
                return None
            pieces.append(piece)
        return pieces


class EscapedPhase(DataPhase):
    """The data phase of CIPSENDEX: `\\x` is x for any x but `0`, which ends it (V1.0 5.2.5, at-dialects 7.5).

    The length counts what goes out. A backslash that would be the last byte of it is one at once
    (real-firmware 7: 4.1).
    """

    def __init__(self, receiver: Receiver, length: int) -> None:
        super().__init__(receiver, length)
        self._last = length - 1
        self._escaped = False

    def _collect(self, data: bytes, wanted: int) -> bytes:
        piece = bytearray()
        for position, byte in enumerate(data, 1):
            if self._escaped and byte == ord("0"):
                self._put(bytes(piece), finished=True)
                return data[position:]
            if byte == ord("\\") and not self._escaped and self.taken < self._last:
                self._escaped = True
                continue
            self._escaped = False
            piece.append(byte)
            self.taken += 1
            if self.taken == self.length:
                self._put(bytes(piece), finished=True)
                return data[position:]
        self._put(bytes(piece), finished=False)
        return b""


class RawEndedPhase(DataPhase):
    """The data phase of CIPSENDEX up to 2.0: nothing is unescaped, and the first `\\0` ends it, what stands
    behind that being dropped in silence; the length counts bytes as they are written (real-firmware 7).
    """

    def __init__(self, receiver: Receiver, length: int) -> None:
        super().__init__(receiver, length)
        self._backslash = False

    def _collect(self, data: bytes, wanted: int) -> bytes:
        if self._backslash and data.startswith(b"0"):
            self._put(b"", finished=True)
            return b""
        head = b"\\" if self._backslash else b""
        text = head + data
        wanted += len(head)
        payload, end, _ = text.partition(END)
        self._backslash = not end and len(text) < wanted and text.endswith(b"\\")
        if self._backslash:
            payload = payload[:-1]
        piece, rest = payload[:wanted], payload[wanted:]
        self.taken += len(piece) + self._backslash - len(head)
        self._put(piece, finished=bool(end) or self.taken == self.length)
        return rest


class LockingPhase(DataPhase):
    """A prompt for no bytes at all on 2.0: a lone `+++` at first cancels it, anything else is refused as
    busy, and from then on the module reads nothing more (real-firmware 7).
    """

    def _collect(self, data: bytes, wanted: int) -> bytes:
        self._receiver.deafen()
        return data
