"""Acting on the remarks of a section: what the peers of the driven ports do, and when.

The peers stand behind the ports from 7100 on, or are clients of the module's server. What they send is known
text: records, probes. When, the remark says relative to the lines around it. In the walks remarks say too
what clients of the server do, and the recording only what they sent and which link each of them got; in the
other captures clients act when the recording shows the effect.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from .capture import Printed, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .capture import Remark, Section, Step
    from .replaying import Bench

FILL = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP"

REMARK_GAP_S = 0.1
"""Between what two remarks in a row say: no line between them tells the time."""

_SENDS = re.compile(r"(?:half the payload, )?peer sends (\d+) bytes,? ?(.*); payload of \d+$")
_OWN = re.compile(rb"AT\+CIPSTART=(0x\d|\d),")
_STREAM = re.compile(r"the peer of link 0 starts to send (\d+) bytes \(<(\w+) [^)]*\)(?: (7\d\d\d)$)?")
_START = re.compile(rb'AT\+CIPSTART=(?:(0x\d|\d),)?"TCP","10\.0\.2\.2",(\d+)')
_CLIENT = re.compile(r"client of link (\d) (?:sends (\d+) bytes|(closes))$")
_CONNECTED = re.compile(rb"(?<!\d)(\d),CONNECT\r\n|\+LINK_CONN:0,(\d),")
_ACCEPTED = re.compile(rb'(?<!\d)(\d),CONNECT\r\n|\+LINK_CONN:0,(\d),"TCP",1,')
_CLOSED = re.compile(rb"(?<!\d)(\d),CLOSED\r\n")
_RECEIVED = re.compile(rb'\r\n\+IPD,(\d),(\d+)(?:,"?[\d.]+"?,\d+)?:')


def records(head: bytes, size: int) -> bytes:
    """`size` bytes of numbered records."""
    made = b"".join(b"<%b %08d>" % (head, number) + FILL for number in range(size // 64 + 1))
    return made[:size]


class Director:
    """Makes peers do what the remarks of one section say."""

    def __init__(self, section: Section, bench: Bench) -> None:
        self.section = section
        self.bench = bench
        self._ports: dict[bytes, int] = {}
        self._plan: tuple[int, str] | None = None
        self._payload_next = False
        self._own: set[bytes] = set()
        self._last_write = b""
        self._wakes = "duplex-wake" in section.title
        self._remarks_tell = section.title.startswith(("random walk", "probe"))
        self._busy_until: tuple[Bench, float] = (bench, 0.0)

    # What the player tells

    def remark(self, remark: Remark) -> None:
        """A remark stands here; `bench.now` is the time of the line before."""
        text = remark.text
        if match := _SENDS.match(text):
            self._plan = (int(match[1]), "half" if text.startswith("half") else match[2])
        elif match := _STREAM.match(text):
            port, data = int(match[3] or 7100), records(match[2].encode(), int(match[1]))
            self._in_order(0.15, lambda: self._send(port, data))
        elif text.startswith("does link 0 still receive?"):
            self._in_order(0.1, lambda: self._send(7100, b"probe1\n"))
        elif text == "link 4, meanwhile":
            self._in_order(0.05, lambda: self._send(self._ports.get(b"4", 7101), b"other"))
        elif text == "the peer of link 0 closes":
            self._in_order(0.05, lambda: self._close(7100))
        elif text.startswith("a client connects") and self._remarks_tell:
            link = self._connected_link(remark)
            self._in_order(0.05, lambda: self.bench.driver.connect(self.bench.network, link))
        elif match := _CLIENT.match(text):
            self._client(remark, match[1].encode(), int(match[2] or 0), closes=bool(match[3]))
        elif text.startswith("all five peers send"):
            self._later(0.05, lambda: self._five(b"L", close=False))
        elif text.startswith("again, and every peer closes"):
            self._later(0.05, lambda: self._five(b"M", close=True))
        elif ": the stalled data " in text:
            written = [step for step in self._following(remark) if isinstance(step, Written)]
            if not written or not written[0].data.startswith(b"AT+CIPCLOSE"):
                self._later(0.5, lambda: self._close(7100))

    def before_write(self, step: Written) -> None:
        """The host is about to write."""
        if match := _START.match(step.data):
            self._ports[match[1][-1:] if match[1] else b""] = int(match[2])
        if match := _OWN.match(step.data):
            self._own.add(match[1][-1:])
        if step.data.startswith(b"AT+CIPSEND="):
            self._do("as AT+CIPSEND is written", 0.0)

    def after_write(self, step: Written) -> None:
        """The host has written."""
        data = step.data
        if data.startswith(b"AT+CIPSEND="):
            self._payload_next = True
            self._do("at the prompt, 300 ms before the payload", 0.02)
            if self._wakes:
                self._later(0.02, lambda: self._send(self._driven(data), b"<at the prompt>"))
        elif self._payload_next and not data.startswith(b"AT"):
            self._payload_next = False
            self._do("together with the payload", 0.0)
            self._do("half", 0.02)
            if self._wakes:
                port = self._driven(self._last_write)
                self._later(0.3, lambda: self._send(port, b"<stalled?>"))
                if b"," not in self._last_write:
                    self._later(10.5, lambda: self._close(port))
        self._last_write = data

    def printed(self, step: Printed, at: float) -> None:
        """The firmware printed this, at `at` in the time of the bench, when it was recorded."""
        data = step.data
        if b"0,CONNECT" in data:
            self._do("before AT+CIPSEND", 0.15, at)
            self._do("AT+CIPSEND 50 ms later", 0.12, at)
        if b"SEND OK" in data:
            self._do("as soon as SEND OK is seen", 0.001, at)
        if not self._remarks_tell:
            self._clients(data, at)

    # Peers of driven ports

    def _driven(self, command: bytes) -> int:
        link = command.partition(b"=")[2].split(b",")[0] if b"," in command else b""
        return self._ports.get(link, 7100)

    def _do(self, when: str, delay_s: float, at: float | None = None) -> None:
        if self._plan is None or self._plan[1].removesuffix(", 300 ms, the other half") not in (when, ""):
            return
        if self._plan[1] == "" and when != "half":
            return
        size = self._plan[0]
        self._plan = None
        self._later(delay_s, lambda: self._send(7100, records(b"dn", size)), at)

    def _five(self, head: bytes, *, close: bool) -> None:
        for index in range(5):
            self._send(7100 + index, records(head + b"%d" % index, 20000))
            if close:
                self._close(7100 + index)

    def _send(self, port: int, data: bytes) -> None:
        connection = self.bench.driver.by_port.get(port)
        if connection is not None and not connection.closed:
            connection.send(data)

    def _close(self, port: int) -> None:
        connection = self.bench.driver.by_port.get(port)
        if connection is not None:
            connection.close()

    # Clients of the module's server

    def _client(self, remark: Remark, link: bytes, size: int, *, closes: bool) -> None:
        driver = self.bench.driver
        if closes:
            self._in_order(0.05, lambda: driver.client_closes(link))
        else:
            data = self._client_payload(remark, link, size)
            self._in_order(0.05, lambda: driver.client_sends(link, data))

    def _connected_link(self, remark: Remark) -> bytes:
        """Which link the client got that connects now; empty if it got none."""
        for step in self._following(remark):
            if isinstance(step, Printed) and (match := _CONNECTED.search(step.data)):
                return match[1] or match[2]
            if not isinstance(step, Printed):
                break
        return b""

    def _client_payload(self, remark: Remark, link: bytes, size: int) -> bytes:
        """What the client sends: the remark says how much, and the recording what it was."""
        head = b"\r\n+IPD,%b,%d" % (link, size)
        for step in self._following(remark):
            if isinstance(step, Printed) and (at := step.data.find(head)) >= 0:
                start = step.data.index(b":", at) + 1
                return step.data[start : start + size]
        return records(b"cl", size)

    def _clients(self, data: bytes, at: float) -> None:
        driver = self.bench.driver
        for match in _ACCEPTED.finditer(data):
            link = match[1] or match[2]
            if link not in self._own and not self._last_write.startswith(b"AT+CIPSTART"):
                self._later(-0.01, partial(driver.connect, self.bench.network, link), at)
        for match in _RECEIVED.finditer(data):
            if match[1] not in self._own:
                link, payload = match[1], data[match.end() : match.end() + int(match[2])]
                self._later(-0.005, partial(driver.client_sends, link, payload), at)
        if not self._last_write.startswith((b"AT+CIPCLOSE", b"AT+RST", b"AT+CIPSTO")):
            for match in _CLOSED.finditer(data):
                link = match[1]
                self._later(-0.005, partial(driver.client_closes, link), at)
        for match in _CLOSED.finditer(data):
            self._own.discard(match[1])

    # Time

    def _following(self, remark: Remark) -> Sequence[Step]:
        return [step for step in self.section.steps if step.line > remark.line]

    def _in_order(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do what a remark says, behind what the remark before it says."""
        bench, until = self._busy_until
        when = self.bench.now + delay_s
        if bench is self.bench:
            when = max(when, until + REMARK_GAP_S)
        self._busy_until = (self.bench, when)
        self.bench.at(when, action)

    def _later(self, delay_s: float, action: Callable[[], None], at: float | None = None) -> None:
        self.bench.at((self.bench.now if at is None else at) + delay_s, action)
