"""The words that belong to the command in flight: final results, and what may come before them.

Source: at-dialects 3.1 and 3.3; the reasons of 3.5 are printed by 0.10 and by the ESP8266's other code base.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from esp32sock.at.state import CommandState

if TYPE_CHECKING:
    from collections.abc import Mapping


class Result(Enum):
    """How a command ended, by the line that ended it."""

    OK = auto()
    ERROR = auto()
    SEND_OK = auto()
    SEND_FAIL = auto()
    SEND_CANCELED = auto()


RESULTS = {
    b"OK": Result.OK,
    b"ERROR": Result.ERROR,
    b"FAIL": Result.ERROR,
    b"SEND OK": Result.SEND_OK,
    b"SEND FAIL": Result.SEND_FAIL,
    b"SEND Canceled": Result.SEND_CANCELED,
    b"SEND CANCELLED": Result.SEND_CANCELED,
}

BUSY = frozenset({b"busy p...", b"busy s..."})

RECEIVED = re.compile(rb"Recv (\d{1,9}) bytes")

SENT = re.compile(rb"\+CIPSENDL:(\d{1,10}),(\d{1,10})")

ERROR_CODE = re.compile(rb"(?:ERR CODE:|\+ERRNO:)0x([0-9a-fA-F]{1,8})")

REASONS = frozenset(
    {
        b"ALREADY CONNECTED",
        b"ALREADY CONNECT",
        b"link is not valid",
        b"link is not",
        b"link is builded",
        b"no ip",
        b"IP ERROR",
        b"Link typ ERROR",
        b"DNS Fail",
        b"domain fail",
        b"gethostbyname fail",
        b"UNLINK",
        b"MUX=0",
        b"no change",
        b"not change",
        b"connect reach max",
        b"No AP",
        b"Connection exists",
        b"CIPMUX must be 0",
        b"CIPSERVER must be 0",
        b"IPMODE must be 0",
        b"flag error",
        b"mode:null",
    }
)

SUCCESSES = frozenset({Result.OK, Result.SEND_OK})

COMMAND_ENDS = frozenset({Result.OK, Result.ERROR})
SEND_ENDS = frozenset({Result.ERROR, Result.SEND_OK, Result.SEND_FAIL, Result.SEND_CANCELED})
ENDS: Mapping[CommandState, frozenset[Result]] = {
    CommandState.AWAIT_RESULT: COMMAND_ENDS,
    CommandState.AWAIT_PROMPT: frozenset({Result.ERROR}),
    CommandState.AWAIT_SEND_RESULT: SEND_ENDS,
    CommandState.CANCELLING: SEND_ENDS,
    CommandState.REFILLING: SEND_ENDS,
}
"""The results that can end a command, by its state."""
