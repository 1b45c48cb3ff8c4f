"""Ask a time server by UDP.

python clock.py        with the port in ESP32SOCK_PORT
"""

import struct
from datetime import UTC, datetime

import esp32sock
from esp32sock import socket

SINCE_1900 = 2_208_988_800
"""Seconds from NTP's epoch to Unix's."""

esp32sock.attach()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.settimeout(10)
    asker.sendto(b"\x23" + bytes(47), ("pool.ntp.org", 123))  # version 4, client
    answer, server = asker.recvfrom(512)
(seconds,) = struct.unpack_from("!I", answer, 40)
print(server[0], "says", datetime.fromtimestamp(seconds - SINCE_1900, UTC))
