"""IPv4 packets around the payloads of links, as they would have crossed the radio: made up, for Wireshark.

What a module really sent is not known here; what its links carried is. So each stream gets a handshake, its
bytes in segments of 1440, an acknowledgement for each, and its end. TLS links show what is inside.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field

SEGMENT_BYTES = 1440
"""The MSS of a stock build (performance-facts 2.4)."""

TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
WINDOW_BYTES = 5760


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def _packed(address: str) -> bytes:
    """Four bytes or 16; four zeros for what is no address."""
    try:
        return ipaddress.ip_address(address).packed
    except ValueError:
        return bytes(4)


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    port: int


def packet(source: Endpoint, target: Endpoint, protocol: int, segment: bytes) -> bytes:
    """One packet around a TCP segment or UDP datagram whose checksum field is still zero."""
    addresses = _packed(source.address) + _packed(target.address)
    pseudo = addresses + struct.pack("!BBH", 0, protocol, len(segment))
    at = 16 if protocol == TCP else 6
    total = checksum(pseudo + segment) or 0xFFFF
    segment = segment[:at] + struct.pack("!H", total) + segment[at + 2 :]
    if len(addresses) == 32:
        return struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64) + addresses + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, protocol, 0) + addresses
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + segment


def udp(source: Endpoint, target: Endpoint, data: bytes) -> bytes:
    return packet(source, target, UDP, struct.pack("!4H", source.port, target.port, 8 + len(data), 0) + data)


@dataclass(slots=True)
class Stream:
    """One TCP connection of the module. Each method gives packets, as (from module?, bytes)."""

    module: Endpoint
    peer: Endpoint
    _next: dict[bool, int] = field(default_factory=lambda: {True: 1000, False: 5000})
    ended: bool = False

    def _packet(self, from_module: bool, flags: int, data: bytes = b"") -> tuple[bool, bytes]:
        source, target = (self.module, self.peer) if from_module else (self.peer, self.module)
        acknowledged = self._next[not from_module] if flags & ACK else 0
        head = struct.pack(
            "!HHIIBBHHH",
            source.port,
            target.port,
            self._next[from_module] & 0xFFFFFFFF,
            acknowledged & 0xFFFFFFFF,
            5 << 4,
            flags,
            WINDOW_BYTES,
            0,
            0,
        )
        self._next[from_module] += len(data) + bool(flags & (SYN | FIN))
        return from_module, packet(source, target, TCP, head + data)

    def opened(self, *, by_module: bool) -> list[tuple[bool, bytes]]:
        return [
            self._packet(by_module, SYN),
            self._packet(not by_module, SYN | ACK),
            self._packet(by_module, ACK),
        ]

    def refused(self) -> list[tuple[bool, bytes]]:
        return [self._packet(True, SYN), self._packet(False, RST | ACK)]

    def data(self, data: bytes, *, from_module: bool) -> list[tuple[bool, bytes]]:
        packets = []
        for at in range(0, len(data), SEGMENT_BYTES):
            packets.append(self._packet(from_module, PSH | ACK, data[at : at + SEGMENT_BYTES]))
            packets.append(self._packet(not from_module, ACK))
        return packets

    def closed(self, *, by_module: bool) -> list[tuple[bool, bytes]]:
        return [self._packet(by_module, FIN | ACK), self._packet(not by_module, ACK)]

    def reset(self, *, by_module: bool) -> list[tuple[bool, bytes]]:
        self.ended = True
        return [self._packet(by_module, RST | ACK)]
