"""What a command is: data that holds its line, which response lines are its own, and what they mean.

A command has no behaviour beyond that; sending it, waiting and failing are the session's. To add one,
write a frozen dataclass here beside its chapter: `line`, and if it answers with more than OK, `prefixes`
and `parse`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.redaction import redacted
from esp32sock.at.framing import STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import IntEnum

    from esp32sock.at.firmware import Firmware

R = TypeVar("R", covariant=True)

_ENDS_LINKS = re.compile(
    rb"AT\+(?:"
    rb"(?:RST|RESTORE|GSLP|UART(?:_CUR|_DEF)?|CIUPDATE"
    rb"|CWMODE(?!=3)|CWJAP|CWQAP|CWINIT|CWSTARTSMART|WPS(?!=0)|CWSAP|CWQIF|CWDHCP|CIPSTAMAC|CIPAPMAC|CIPSTA|CIPAP"
    rb"|CIPMUX|CIPMODE(?!=0)|CIPV6|CIPRECVMODE|CIPRECVTYPE|CIPDINFO(?!=1))(?:=(?!\?)|\s*$)"
    rb"|SYSMSGFILTER=1|CIP(?:CLOSE|SEND)\s*$)",
    re.IGNORECASE,
)
"""Lines that end open links, for commands that are only known as text."""

_ENDS_ONE = re.compile(rb"AT\+CIPCLOSE=([0-5])\s*", re.IGNORECASE)
_ENDS_SERVER = re.compile(rb"AT\+CIPSERVER=(?!\?)", re.IGNORECASE)

_SENDS_NOTHING = re.compile(
    rb"AT\+CIPSEND(?:EX|L)?=(?:\d+,)?(?:0+|-\d+)\s*|"
    rb"AT\+CIPSEND(?:EX)?=\d+,(?:0+|-\d+),\".*",
    re.IGNORECASE,
)
"""A prompt that nothing fills; what is written there locks 2.0 for good (observed 2.0)."""

USUAL_TIMEOUT_S = 5.0
"""For what the module answers out of its own memory; by taste, generous beside the milliseconds seen."""


@dataclass(frozen=True, slots=True)
class Command(Generic[R]):
    """One AT command with its arguments; executing it gives an `R`."""

    name: ClassVar[str] = ""
    """As on the wire without `AT`: `+CIPMUX`, `E0`. Never holds an argument, so it may be logged."""
    prefixes: ClassVar[tuple[bytes, ...]] = ()
    """How the response lines that belong to it begin."""
    answers_with_line: ClassVar[bool] = False
    """Whether OK never comes without a response line before it: one that does is not its own."""
    lists_links: ClassVar[bool] = False
    """Whether its response lines are the links that are open: they are compared by the way."""
    reports_progress: ClassVar[bool] = False
    """Whether `+CIPSENDL:<sent>,<received>` says how much of its payload went out; no `Recv` comes then."""
    timeout: ClassVar[float] = USUAL_TIMEOUT_S
    time_is_known: ClassVar[bool] = True
    """Whether a module that works on for longer than `timeout` is stuck."""
    """How long its final result may take, in seconds, before the caller gets CommandTimeout."""
    secret: ClassVar[bool] = False
    """Whether its line holds something that no log and no error may show."""

    @property
    def is_secret(self) -> bool:
        """The same for this one, with its arguments."""
        return self.secret

    @abstractmethod
    def line(self, firmware: Firmware) -> bytes:
        """The command line without CR LF; ValueError when an argument cannot be sent."""

    def matches_line(self, text: bytes) -> bool:
        """Whether this response line belongs to the command."""
        return text.startswith(self.prefixes) if self.prefixes else False

    @abstractmethod
    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> R:
        """The typed result, from the response lines before OK."""

    def advice(self, lines: Sequence[bytes]) -> str:
        """Why it failed or what to do, from the response lines before its ERROR; "" when they do not say."""
        return ""

    def reason(self, lines: Sequence[bytes]) -> IntEnum | None:
        """The number that gives the reason of the failure, from the response lines before its ERROR."""
        return None

    def errno(self, reason: IntEnum | None) -> int | None:
        """The errno of Linux in the same case, where the reason determines it."""
        return None

    @property
    def opens(self) -> int | None:
        """The link id this command opens when it succeeds."""
        return None

    @property
    def closes(self) -> int | None:
        """The link id this command closes, whatever it answers."""
        return None

    @property
    def sink(self) -> int:
        """What becomes of the payload that the opened link receives: STREAM or DATAGRAM of framing."""
        return STREAM

    @property
    def receives(self) -> int | None:
        """The link id whose payload this command's answer carries."""
        return None

    @property
    def payload(self) -> memoryview | None:
        """The bytes that follow the prompt; None for a command without any."""
        return None

    @property
    def begins_passthrough(self) -> bool:
        """Whether its result is the prompt, with or without an OK before it, and all that follows payload."""
        return False

    @property
    def acknowledged_bytes(self) -> int:
        """How many bytes of it the module acknowledges with `Recv`."""
        return len(self.payload or b"")

    @property
    def stores_payload(self) -> bool:
        """Whether its payload stays in the module: a second OK ends it, no `Recv` and no SEND OK come."""
        return False

    @property
    def ends_links(self) -> bool:
        """Whether it ends every open link, or takes away what they rest on."""
        return False

    @property
    def ends_link(self) -> int | None:
        """The one link that it ends; 5 for all (at-dialects 7.8)."""
        return self.closes

    @property
    def ends_server(self) -> bool:
        """Whether it ends the module's server."""
        return False

    @property
    def label(self) -> str:
        """The name as people write it."""
        return f"AT{self.name}"


@dataclass(frozen=True, slots=True)
class SimpleCommand(Command[None]):
    """A command whose only answer is its final result."""

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> None:
        return None


@dataclass(frozen=True, slots=True)
class EndsLinks(SimpleCommand):
    """One that takes away what open links rest on."""

    @property
    def ends_links(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Raw(Command["list[bytes]"]):
    """Any command line at all, for consoles and tests; the result is its response lines.

    `text` is the line without CR LF; it is sent as it is, so it must hold no CR, LF or NUL (ValueError).
    """

    name: ClassVar[str] = " (raw)"
    timeout: ClassVar[float] = 30.0
    time_is_known: ClassVar[bool] = False

    text: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({redacted(self.text)!r})"

    @property
    def is_secret(self) -> bool:
        return self.secret or redacted(self.text) != self.text

    def line(self, firmware: Firmware) -> bytes:
        if not self.text or any(byte in self.text for byte in b"\r\n\0"):
            raise ValueError("a raw command is one line, without CR, LF or NUL")
        if _SENDS_NOTHING.fullmatch(self.text):
            raise ValueError("a send without a length above 0 may lock the module")
        return self.text

    def matches_line(self, text: bytes) -> bool:
        """Everything that is not known to be unsolicited."""
        return True

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> list[bytes]:
        return list(lines)

    @property
    def ends_links(self) -> bool:
        return _ENDS_LINKS.match(self.text) is not None

    @property
    def ends_link(self) -> int | None:
        match = _ENDS_ONE.fullmatch(self.text)
        return int(match[1]) if match else None

    @property
    def ends_server(self) -> bool:
        return _ENDS_SERVER.match(self.text) is not None


@dataclass(frozen=True, slots=True)
class SecretRaw(Raw):
    """The same for a line that holds a password: it is shown nowhere."""

    secret: ClassVar[bool] = True

    text: bytes = field(repr=False)
