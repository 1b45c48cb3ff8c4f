"""Whether the program at the other end of a TCP connection of this machine has closed it in full.

TCP does not tell that from a half-close until something is sent, and a module's link is too dear to be kept
for a program that has ended. But both ends are in this kernel, whose table shows a socket without an owner:
its inode is 0 (proc(5), `/proc/net/tcp`).
"""

from __future__ import annotations

import socket
import sys

Name = tuple[str, int]


def has_left(ours: Name, theirs: Name) -> bool:
    """False too where the other end is not in the table: on another machine, or in another namespace."""
    is_ipv6 = ":" in theirs[0]
    wanted = [_written(theirs, is_ipv6=is_ipv6), _written(ours, is_ipv6=is_ipv6)]
    try:
        with open("/proc/net/tcp6" if is_ipv6 else "/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                fields = line.split()
                if fields[1:3] == wanted:
                    return fields[9] == "0"
    except OSError:
        return False
    return False


def _written(name: Name, *, is_ipv6: bool) -> str:
    """An address as the table has it: the words of it in the byte order of this machine, in hexadecimal."""
    host, port = name
    packed = socket.inet_pton(socket.AF_INET6 if is_ipv6 else socket.AF_INET, host)
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    numbers = (int.from_bytes(word, sys.byteorder) for word in words)
    return "".join(f"{number:08X}" for number in numbers) + f":{port:04X}"
