"""Data phases: payload that the host writes behind a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.receiver import Receiver
    from esp32sock.simulator.kernel import Mailbox

CANCEL = b"+++"


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

    That the length counts bytes as they are written, backslashes included, is a guess.
    """

    def __init__(self, receiver: Receiver, length: int | None) -> None:
        super().__init__(receiver, length)
        self._escaped = False

    def _collect(self, data: bytes, wanted: int) -> bytes:
        piece = bytearray()
        for position, byte in enumerate(data[:wanted], 1):
            self.taken += 1
            if self._escaped and byte == ord("0"):
                self._put(bytes(piece), finished=True)
                return data[position:]
            if byte == ord("\\") and not self._escaped:
                self._escaped = True
            else:
                self._escaped = False
                piece.append(byte)
        self._put(bytes(piece), finished=self.taken == self.length)
        return data[wanted:]
