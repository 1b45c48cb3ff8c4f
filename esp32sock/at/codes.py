"""What the module's numbers mean: `ERR CODE` of AT+SYSLOG, and `+ERRNO` of 5.0.

Source: at-dialects 3.3. `+ERRNO` carries the errno of the firmware's own C library, newlib, whose numbers for
sockets are not those of Linux (Espressif, ESP-Techpedia, "Common Socket Error Troubleshooting": 113 is
"software caused connection abort"); for SSL it is a number of mbedTLS, which is shown as it is.
"""

from __future__ import annotations

import errno

from esp32sock._dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """A number in words, and the errno of Linux; None where there is no counterpart."""

    text: str
    errno: int | None = None


_OF_SUBCATEGORY = {
    0x00: Meaning("ok"),
    0x01: Meaning("reserved"),
    0x02: Meaning("the command has no end, or text follows it", errno.EINVAL),
    0x03: Meaning("no AT in front, or a line that is too long", errno.EINVAL),
    0x04: Meaning("the length of a parameter", errno.EINVAL),
    0x05: Meaning("the type of a parameter", errno.EINVAL),
    0x06: Meaning("the number of parameters", errno.EINVAL),
    0x07: Meaning("a parameter is not valid", errno.EINVAL),
    0x08: Meaning("a parameter cannot be understood", errno.EINVAL),
    0x09: Meaning("this firmware does not have the command", errno.EOPNOTSUPP),
    0x0A: Meaning("the command was understood but failed"),
    0x0B: Meaning("another command is still running", errno.EBUSY),
    0x0C: Meaning("the command does not have this form", errno.EOPNOTSUPP),
}

_NUMBERED = range(0x04, 0x09)
"""Their extension says which parameter, or how many there should be."""

_NEWLIB = {
    5: errno.EIO,
    11: errno.EAGAIN,
    12: errno.ENOMEM,
    23: errno.ENFILE,
    104: errno.ECONNRESET,
    105: errno.ENOBUFS,
    111: errno.ECONNREFUSED,
    112: errno.EADDRINUSE,
    113: errno.ECONNABORTED,
    114: errno.ENETUNREACH,
    115: errno.ENETDOWN,
    116: errno.ETIMEDOUT,
    117: errno.EHOSTDOWN,
    118: errno.EHOSTUNREACH,
    125: errno.EADDRNOTAVAIL,
    127: errno.EISCONN,
    128: errno.ENOTCONN,
}
_WORDS = {
    errno.EIO: "input/output error",
    errno.EAGAIN: "no room at the moment",
    errno.ENOMEM: "the module is out of memory",
    errno.ENFILE: "the module is out of sockets",
    errno.ECONNRESET: "connection reset by peer",
    errno.ENOBUFS: "the module is out of buffers",
    errno.ECONNREFUSED: "connection refused",
    errno.EADDRINUSE: "address already in use",
    errno.ECONNABORTED: "connection aborted: no acknowledgement came",
    errno.ENETUNREACH: "network unreachable",
    errno.ENETDOWN: "network is down",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTDOWN: "host is down",
    errno.EHOSTUNREACH: "no route to host",
    errno.EADDRNOTAVAIL: "address not available",
    errno.EISCONN: "already connected",
    errno.ENOTCONN: "not connected",
}


def of_error_code(code: int) -> Meaning | None:
    """The number behind `ERR CODE:`; None where nothing is known of it."""
    if code >> 24 != 0x01:
        return None
    kind, extension = code >> 16 & 0xFF, code & 0xFFFF
    meaning = _OF_SUBCATEGORY.get(kind)
    if meaning is None or kind not in _NUMBERED:
        return meaning
    if kind == 0x06:
        return Meaning(f"{meaning.text}: {extension & 0xFF}, not {extension >> 8}", meaning.errno)
    return Meaning(f"{meaning.text} (number {extension})", meaning.errno)


def of_errno(code: int) -> Meaning | None:
    """The number behind `+ERRNO:`; one that begins with 0x01 is an error code all the same."""
    if code in _NEWLIB:
        return Meaning(_WORDS[_NEWLIB[code]], _NEWLIB[code])
    return of_error_code(code)
