"""How long the reading task rests inside a block of payload: a wake-up for every few bytes costs CPU.

While a block is incomplete nothing else can come, and its last byte cannot be here before the line has
carried what is missing. So a rest that is no longer than that delays no answer and no turn. It is short
enough for the kernel's buffer, which holds 4095 bytes of a terminal, and there is none where bytes come
faster than the line carries them: on a pseudo-terminal without a pace.
"""

from __future__ import annotations

LONGEST_S = 0.02
USUAL_S, FEW_BYTES = 0.005, 128
"""A rest is as long as the first, or as the line takes for so few bytes, if that is longer; by taste."""
SHORTEST_S = 0.001
"""Less is not worth a timer."""
ROOM_BYTES = 1024
"""So much may come meanwhile: a quarter of the kernel's buffer."""
BATCH_S = 0.001
"""Bytes come together for so long, in the frames of USB."""


class Rests:
    """The rests of one port."""

    def __init__(self) -> None:
        self._read_at = 0.0

    def after(self, read_bytes: int, missing_bytes: int, s_per_byte: float, now: float) -> float:
        """Seconds to rest after a read, 0 for none; `missing_bytes` are left of the block."""
        elapsed_s, self._read_at = now - self._read_at, now
        if not missing_bytes or read_bytes * s_per_byte > elapsed_s + BATCH_S:
            return 0.0
        wanted_s = min(LONGEST_S, max(USUAL_S, FEW_BYTES * s_per_byte))
        rest_s = min(wanted_s, ROOM_BYTES * s_per_byte, missing_bytes * s_per_byte)
        return rest_s if rest_s >= SHORTEST_S else 0.0
