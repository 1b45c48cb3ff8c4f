"""Taking passwords out of the bytes of the serial line as they pass, for traces.

Theory of operation: a line of the host that holds a password, or asks for one, is shown without it (see
`commands/redaction.py`), and the payload that such a line announces is not shown at all. Until its final
result has come, of the module's bytes only lines that cannot hold a password are shown: an echo may be
mangled. A password that the module prints by itself is found by the beginning of its line. Bytes that may be
the beginning of such a line are held back until it ends, so a trace may show them a little late.

Payload of links is not examined: what looks like a line with a password is masked there too, and nothing
else is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from esp32sock.at.commands.prompting import asks_for_payload
from esp32sock.at.commands.redaction import HIDDEN, redacted

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_HELD_BYTES = 4096
"""A line that may hold a password and does not end within this is hidden up to its end."""

_NAMES: Final = (
    b"CWJAP", b"CWSAP", b"CWJEAP", b"CIPSSLCPSK", b"MQTTUSERCFG", b"MQTTPASSWORD", b"MQTTLONGPASSWORD",
    b"CWSTARTSMART", b"SYSMFG", b"BLEKEYREPLY", b"HTTPCLIENT", b"HTTPCGET", b"HTTPCPOST", b"HTTPCPUT",
    b"WSOPEN",
)  # fmt: skip
"""The commands of `redaction.py`: their lines are complete before they are shown."""
_STARTS: Final = (*(b"+" + name for name in _NAMES), b"PASSWORD:")
_START: Final = re.compile(b"(?:AT)?(?:" + b"|".join(map(re.escape, _STARTS)) + b")", re.IGNORECASE)
_BEGINNINGS: Final = frozenset(
    (prefix + start)[:size]
    for start in _STARTS
    for prefix in (b"", b"AT")
    for size in range(1, len(prefix + start))
)
_LONGEST: Final = max(map(len, _BEGINNINGS))
_ASKS_FOR_SECRET: Final = re.compile(
    rb"AT\+(?:CWSAP|CWJEAP|CIPSSLCPSK|MQTTUSERCFG|SYSMFG)\w*(?:\?|=)", re.IGNORECASE
)
"""The answers to these hold passwords."""

_HARMLESS: Final = re.compile(
    rb"|OK|ERROR|FAIL|busy [ps]\.\.\.|ready|WIFI (?:CONNECTED|GOT IP|DISCONNECT)|\+CWJAP:\d+|> ?"
    rb"|\d,(?:CONNECT|CLOSED)|ERR CODE:0x[0-9a-f]{8}|Recv \d+ bytes|SEND (?:OK|FAIL|Canceled)|\+IPD,\d,\d+"
)
_PROMPT: Final = re.compile(rb"[\r\n]*> ?|[\r\n]*")
_ENDS: Final = re.compile(rb"ERROR|FAIL|ready|SEND (?:OK|FAIL|Canceled)")


class SecretMask:
    """One serial line; each method gives what may be shown of the bytes given, and of those held back."""

    def __init__(self) -> None:
        self._sent = _Held()
        self._received = _Held()
        self._oks_left = 0
        """So many OK end the command whose line, payload or answer is secret; 0 without one."""
        self._hides_payload = False

    def sent(self, data: bytes) -> bytes:
        """Bytes from the host to the module."""
        if self._hides_payload:
            return HIDDEN
        return self._sent.shown(data, self._note_line, self._note_beginning)

    def received(self, data: bytes) -> bytes:
        """Bytes from the module to the host."""
        if not self._oks_left:
            return self._received.shown(data)
        shown, rest = [], self._received.take() + data
        while self._oks_left and (end := rest.find(b"\n") + 1):
            line, rest = rest[:end], rest[end:]
            text = line.strip(b"\r\n")
            is_harmless = not self._received.stop_hiding() and _HARMLESS.fullmatch(text)
            shown.append(line if is_harmless else HIDDEN + b"\r\n")
            self._note_result(text)
        if not self._oks_left:
            return b"".join(shown) + self._received.shown(rest)
        if _PROMPT.fullmatch(rest):
            shown.append(rest)
        else:
            self._received.hold(rest)
        return b"".join(shown)

    def rest(self) -> tuple[bytes, bytes]:
        """What is held back of both directions when the line ends, hidden: sent, received."""
        return self._sent.hidden(), self._received.hidden()

    def _note_beginning(self) -> None:
        """A line that may hold a secret is on its way, and its echo may be, too."""
        self._oks_left = self._oks_left or 1

    def _note_line(self, line: bytes) -> None:
        is_secret = redacted(line) != line or _ASKS_FOR_SECRET.match(line) is not None
        self._hides_payload = is_secret and asks_for_payload(line)
        self._oks_left = (2 if self._hides_payload else 1) if is_secret else 0

    def _note_result(self, text: bytes) -> None:
        if text == b"OK":
            self._oks_left -= 1
        elif _ENDS.fullmatch(text):
            self._oks_left = 0
        if not self._oks_left:
            self._hides_payload = False


class _Held:
    """One direction: a line that may hold a password is complete before it is shown."""

    def __init__(self) -> None:
        self._held = b""
        self._is_hiding = False
        """Whether everything up to the end of the line is hidden."""

    def take(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def hold(self, data: bytes) -> None:
        if len(data) > MAX_HELD_BYTES:
            self._is_hiding, data = True, b""
        self._held = data

    def stop_hiding(self) -> bool:
        """A line has ended; whether it was hidden."""
        was_hiding, self._is_hiding = self._is_hiding, False
        return was_hiding

    def hidden(self) -> bytes:
        return HIDDEN if self.take() or self._is_hiding else b""

    def shown(
        self,
        data: bytes,
        note_line: Callable[[bytes], None] = lambda line: None,
        note_beginning: Callable[[], None] = lambda: None,
    ) -> bytes:
        """What may be shown now; the functions are called with a secret line, and when one has begun."""
        data, shown = self.take() + data, []
        while data:
            if self._is_hiding:
                end = data.find(b"\n") + 1
                if not end:
                    break
                shown.append(HIDDEN + b"\r\n")
                data = data[end:]
                self.stop_hiding()
                continue
            start = _START.search(data)
            if start is None:
                cut = len(data) - _beginning_at_the_end(data)
                shown.append(data[:cut])
                self._held = data[cut:]
                break
            shown.append(data[: start.start()])
            data = data[start.start() :]
            end = data.find(b"\n") + 1
            if not end:
                note_beginning()
                self.hold(data)
                break
            line = data[:end].rstrip(b"\r\n")
            note_line(line)
            shown.append(redacted(line) + data[len(line) : end])
            data = data[end:]
        return b"".join(shown)


def _beginning_at_the_end(data: bytes) -> int:
    """How many bytes at the end may begin a line with a password."""
    tail = data[-_LONGEST:].upper()
    return next((size for size in range(len(tail), 0, -1) if tail[-size:] in _BEGINNINGS), 0)
