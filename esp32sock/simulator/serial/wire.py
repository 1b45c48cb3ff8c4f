"""What a serial frame looks like on the wire, and what a receiver with other settings makes of it.

Nothing here is random: a wrong baud gives the bytes that sampling the other side's waveform gives, the same
each time. Sources: the framing of every 8N1 UART; that a mismatch gives garbage is at-dialects 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.02
"""Rates that differ by less are the same to a UART: half a bit in ten would be 5 %."""


def equal_rates(one: int, other: int) -> bool:
    return abs(one - other) <= TOLERANCE * one


@dataclass(frozen=True, slots=True)
class Frame:
    """How one side sends and samples a byte. `parity` as in AT+UART: 0 none, 1 odd, 2 even (V1.0 3.2.7)."""

    baud: int
    data_bits: int = 8
    stop_bits: int = 1
    parity: int = 0


@dataclass(frozen=True, slots=True)
class HostLine:
    """How the host has set its end of the line.

    `baud` None: always as the module's end is; data bits and parity always are. `rtscts`: it sends only while
    the module's RTS invites it.
    """

    baud: int | None = None
    rtscts: bool = True


def waveform(data: bytes, frame: Frame) -> bytes:
    """The line while `data` is sent back to back, one level (0 or 1) for each bit; idle behind it."""
    levels = bytearray()
    mask = (1 << frame.data_bits) - 1
    table: dict[int, bytes] = {}
    for value in data:
        bits = table.get(value)
        if bits is None:
            sent = value & mask
            parts = [0, *(sent >> n & 1 for n in range(frame.data_bits))]
            if frame.parity:
                parts.append(sent.bit_count() & 1 ^ (frame.parity == 1))
            parts += [1] * (2 if frame.stop_bits == 3 else 1)
            bits = table[value] = bytes(parts)
        levels += bits
    return bytes(levels)


def received(data: bytes, sender: Frame, receiver: Frame) -> bytes:
    """What `receiver` takes in while `sender` sends `data` over an idle line.

    It looks for a falling edge, samples in the middle of its own bit times, and takes the byte whether or not
    a stop bit follows; parity is not checked.
    """
    levels = b"\1" + waveform(data, sender) + b"\1"
    last = len(levels) - 1
    bit = sender.baud / receiver.baud
    ticks = [(1.5 + n) * bit for n in range(receiver.data_bits)]
    frame_length = (1.5 + receiver.data_bits + (1 if receiver.parity else 0)) * bit
    result = bytearray()
    position = 0
    while True:
        edge = levels.find(b"\1\0", position) + 1
        if not edge:
            return bytes(result)
        if levels[min(last, int(edge + 0.5 * bit))]:
            position = edge  # too short for a start bit: a glitch
            continue
        value = 0
        for number, tick in enumerate(ticks):
            value |= levels[min(last, int(edge + tick))] << number
        result.append(value)
        position = min(last, int(edge + frame_length))
