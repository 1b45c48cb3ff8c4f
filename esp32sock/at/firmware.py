"""What each firmware generation supports and allows, by the version in `AT+GMR`.

Numbers are from at-dialects 1.2, 7.5 and 9. What is not known is taken at its most careful.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock._constants import PULL_MAX, PULL_MAX_V2
from esp32sock.at.framing import CIPSEND_MAX, CIPSEND_MAX_V1

if TYPE_CHECKING:
    from collections.abc import Iterable

Version = tuple[int, int, int, int]

_AT_VERSION = re.compile(
    r"AT version:([0-9]{1,4})\.([0-9]{1,4})(?:\.(b?[0-9]{1,4}))?(?:\.([0-9]{1,4}))?"
    r"(-[\w.]+)?\s*(?:\((.*)\))?"
)


@dataclass(frozen=True, slots=True)
class Firmware:
    """One firmware, by the version of its AT core; (0, 0, 0, 0) when it would not say."""

    version: Version = (0, 0, 0, 0)
    chip: str = "ESP32"
    text: str = "unknown"

    def at_least(self, major: int, minor: int = 0) -> bool:
        """Whether this is that release or a later one."""
        return self.version[:2] >= (major, minor)

    @property
    def has_ipv6(self) -> bool:
        """AT+CIPV6 and what needs it, from 2.2 on (at-dialects 7.14)."""
        return self.at_least(2, 2)

    @property
    def is_known(self) -> bool:
        """Whether the module reported its version."""
        return any(self.version)

    @property
    def release(self) -> str:
        """As people say it: `firmware 2.4`."""
        return "firmware {}.{}".format(*self.version) if self.is_known else "firmware of unknown version"

    @property
    def cipsend_max(self) -> int:
        """The most bytes one CIPSEND takes: 8192 from 2.4 on, 2048 before (at-dialects 7.5)."""
        return CIPSEND_MAX if self.at_least(2, 4) else CIPSEND_MAX_V1

    @property
    def sends_long(self) -> bool:
        """AT+CIPSENDL, from 2.4 on (at-dialects 7.5)."""
        return self.at_least(2, 4)

    @property
    def pull_max(self) -> int:
        """The most bytes to ask for in one CIPRECVDATA: 2048 on 2.0 and 2.1 (at-dialects 7.7).

        Later memory is the limit; 8192 is more than the module keeps for a link (performance-facts 2.4).
        """
        return PULL_MAX if self.at_least(2, 2) else PULL_MAX_V2

    @property
    def has_sysstore(self) -> bool:
        """AT+SYSSTORE keeps settings out of the flash, from 2.1 on (at-dialects 5)."""
        return self.at_least(2, 1)

    @property
    def has_sysmsg(self) -> bool:
        """AT+SYSMSG changes the messages about links, from 1.2 on (at-dialects 5)."""
        return self.at_least(1, 2)

    @property
    def has_passive_receive(self) -> bool:
        """AT+CIPRECVMODE for all links, from 2.0 on (at-dialects 7.7)."""
        return self.at_least(2, 0)

    @property
    def receives_by_link(self) -> bool:
        """AT+CIPRECVTYPE for each link, from 3.4 on (at-dialects 7.7)."""
        return self.at_least(3, 4)

    @property
    def configures_ssl(self) -> bool:
        """AT+CIPSSLCCONF by link and slot; 1.0 has another form, of which only the query is known (observed).

        Of 1.1 nothing is known, so it counts from 1.2 on.
        """
        return self.at_least(1, 2)

    @property
    def names_ssl_servers(self) -> bool:
        """SNI, and the check of the server's name (CIPSSLCSNI, CIPSSLCCN), from 2.1 on (at-dialects 7.11)."""
        return self.at_least(2, 1)

    @property
    def clock_can_be_set(self) -> bool:
        """AT+SYSTIMESTAMP, from 2.0 on (at-dialects 5)."""
        return self.at_least(2, 0)

    @property
    def stores_certificates(self) -> bool:
        """AT+SYSMFG writes them, from 3.2 on for the ESP32 (at-dialects 1.2)."""
        return self.at_least(3, 2)

    @property
    def one_ssl_link(self) -> bool:
        """Up to 2.0 one SSL link at a time, later as many as memory holds (at-dialects 9)."""
        return not self.at_least(2, 1)

    @property
    def drops_unread_ssl(self) -> bool:
        """With passive receive the end of an SSL stream is lost before 3.3 (known-bugs 9)."""
        return not self.at_least(3, 3)

    @property
    def stalls_on_receive_while_sending(self) -> bool:
        """2.0 stops receiving on a link when a `+IPD` falls between its prompt and payload (observed 2.0)."""
        return self.version[:2] == (2, 0)

    @property
    def leaves_passthrough_unseen(self) -> bool:
        """`+++` ends CIPMODE=1 as well (observed 1.0), so that only the open link shows what was."""
        return not self.at_least(2, 0)

    @property
    def prompts_with_space(self) -> bool:
        """The NonOS firmware of the ESP8266 prints `> ` (at-dialects 1.1)."""
        return _is_nonos(self.version, self.text)

    @property
    def is_mute_in_passthrough(self) -> bool:
        """2.0 prints nothing that a link receives with CIPMODE=1 (observed 2.0, walks 2016 and 2024)."""
        return self.version[:2] == (2, 0)

    @property
    def bounds_connecting(self) -> bool:
        """CIPSTART and CIPDOMAIN take a time-out of their own, from 4.1 on (at-dialects 7.2 and 7.4)."""
        return self.at_least(4, 1)

    @property
    def cuts_recvlen(self) -> bool:
        """2.0 cuts the line of CIPRECVLEN at 32 bytes, and rubbish follows (observed 2.0)."""
        return self.version[:2] == (2, 0)

    @property
    def ends_sending_at_mark(self) -> bool:
        """AT+CIPSENDEX is known to end at its mark: observed 1.0 and 4.1; 2.1 truncates (at-dialects 7.5)."""
        return self.version[:2] in ((1, 0), (4, 1))

    def __str__(self) -> str:
        return self.text


def parse_gmr(lines: Iterable[bytes]) -> Firmware:
    """The firmware that printed these lines; an unknown one when no line has a version (at-dialects 5.2)."""
    for line in lines:
        text = line.decode("utf-8", "replace").strip()
        match = _AT_VERSION.match(text)
        if match:
            version = _version(match)
            return Firmware(version, _chip(match[6] or "", version), text)
    return Firmware()


def _is_nonos(version: Version, text: str) -> bool:
    """Whether it is from 1.3 on and names no commit, as builds for the ESP32 do (at-dialects 5.2)."""
    return (1, 3) <= version[:2] < (2, 0) and " - " not in text


def _version(match: re.Match[str]) -> Version:
    """The four numbers; a beta such as `1.0.b1.0` counts as its release."""
    parts = [int(re.sub(r"\D", "", part or "") or 0) for part in match.groups()[:4]]
    return (parts[0], parts[1], parts[2], parts[3])


def _chip(details: str, version: Version) -> str:
    """The second field of `(ca41ec4 - ESP32 - Sep 16 2020 11:28:17)`, if it names a chip.

    NonOS, which is the ESP8266's alone, does not.
    """
    if _is_nonos(version, details):
        return "ESP8266"
    fields = [field.strip() for field in details.split(" - ")]
    return fields[1] if len(fields) > 1 and fields[1].startswith("ESP") else "ESP32"
