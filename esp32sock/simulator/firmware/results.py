"""How a command ends: final results, and refusals with the code that goes with them."""

from __future__ import annotations

from enum import Enum


class Result(Enum):
    """The bytes of a final result (at-dialects 3.1)."""

    OK = b"\r\nOK\r\n"
    ERROR = b"\r\nERROR\r\n"
    SEND_OK = b"\r\nSEND OK\r\n"
    SEND_FAIL = b"\r\nSEND FAIL\r\n"
    SEND_CANCELED = b"\r\nSEND Canceled\r\n"
    SEND_CANCELLED = b"\r\nSEND CANCELLED\r\n"
    """Of CIPSENDL."""
    NOTHING = b""
    """The passthrough mode has begun."""


BUSY = b"\r\nbusy p...\r\n"
READY = b"\r\nready\r\n"
FORCED_RESTART = b"\r\nWill force to restart!!!\r\n"


class CommandRefused(Exception):
    """The command ends in ERROR.

    Its codes, mostly one, are printed where the firmware prints codes (at-dialects 3.3).
    """

    def __init__(self, *codes: int) -> None:
        super().__init__(", ".join(f"0x{code:08x}" for code in codes) or "no code")
        self.codes = codes

    @property
    def code(self) -> int | None:
        """The last code; None if there is none."""
        return self.codes[-1] if self.codes else None


def refuse_if(condition: object) -> None:
    """The bare ERROR of the TCP/IP commands: it never has a code (sweeps of 1.0)."""
    if condition:
        raise CommandRefused


def text_behind_command() -> CommandRefused:
    return CommandRefused(0x01020000)


def no_leading_at() -> CommandRefused:
    return CommandRefused(0x01030000)


def too_long(index: int) -> CommandRefused:
    """Field `index`, counted from 0; this code counts from 1 (observed 1.0)."""
    return CommandRefused(0x01040001 + index)


def is_parse_error(code: int) -> bool:
    """Whether a code is not one of length, count or range."""
    return code >> 16 & 0xFF not in (0x04, 0x06, 0x07)


def wrong_count(needed: int, given: int) -> CommandRefused:
    return CommandRefused(0x01060000 | needed << 8 | given)


def out_of_range(index: int) -> CommandRefused:
    """Field `index`, counted from 0; this code counts from 1 (observed 1.0)."""
    return CommandRefused(0x01070001 + index)


def does_not_parse(index: int) -> CommandRefused:
    return CommandRefused(0x01080000 + index)


def unknown_command() -> CommandRefused:
    return CommandRefused(0x01090000)


def failed() -> CommandRefused:
    return CommandRefused(0x010A0000)


BUSY_CODE = 0x010B0000
