"""SSL links, whose TLS the module does itself: opening one (chapter 5 of the 2017 document) and what it is
opened with, which is set for its id before (at-dialects 7.11).
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import (
    checked_host,
    checked_link,
    checked_milliseconds,
    checked_port,
    checked_seconds,
)
from esp32sock.at.framing import LINKS
from esp32sock.at.kinds import kind_for
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

MAX_SLOT = 255
"""What is documented are 0 and 1; no limit is."""
MAX_PROTOCOLS = 5

_EMPTY_SLOTS = {b"NO CA FOUND": "CA", b"NO CERT FOUND": "certificate", b"NO PRVT_KEY FOUND": "private key"}
"""What CIPSTART prints before its ERROR (at-dialects 3.4)."""


@dataclass(frozen=True, slots=True)
class OpenSsl(SimpleCommand):
    """Open an SSL link with this id (None in single-link mode); one at a time up to 2.0.

    The module checks no certificate unless configured to. Source: V1.0, 5.2.3, at-dialects 7.4.
    """

    name: ClassVar[str] = "+CIPSTART"
    prefixes: ClassVar[tuple[bytes, ...]] = tuple(_EMPTY_SLOTS)
    timeout: ClassVar[float] = 130.0
    """As for TCP, and up to 10 s a packet of the handshake (at-dialects 7.4)."""

    link_id: int | None
    host: str
    port: int
    keepalive_s: int | None = None
    within_ms: int | None = None
    """How long the module may try, up to 60000; before 4.1 there is no such parameter."""
    ipv6: bool = False
    """Look a name up as IPv6; an address of IPv6 needs no word (from 2.2 on)."""

    @property
    def opens(self) -> int | None:
        return self.link_id or 0

    def line(self, firmware: Firmware) -> bytes:
        if self.keepalive_s is not None:
            checked_seconds("keep-alive", self.keepalive_s)
        return command_line(
            "+CIPSTART",
            *(() if self.link_id is None else (checked_link(self.link_id),)),
            kind_for("SSL", self.host, ipv6=self.ipv6),
            checked_host(self.host),
            checked_port(self.port),
            self.keepalive_s,
            None,
            checked_milliseconds(self.within_ms, firmware),
        )

    def advice(self, lines: Sequence[bytes]) -> str:
        for line in lines:
            if line in _EMPTY_SLOTS:
                return f"the slot holds no {_EMPTY_SLOTS[line]}"
        return (
            "no server listens, it has no TLS, or its certificate was rejected (check the module's clock): "
            "the module does not report which"
        )


class SslAuth(IntFlag):
    """Which side of an SSL link shows a certificate (at-dialects 7.11)."""

    NONE = 0
    OWN_CERTIFICATE = 1
    VERIFY_SERVER = 2


@dataclass(frozen=True, slots=True)
class SslSettings:
    """What an SSL link is opened with: certificate and key, and authority, by the numbers of their slots."""

    auth: SslAuth = SslAuth.NONE
    own_slot: int = 0
    authority_slot: int = 0


@dataclass(frozen=True, slots=True)
class GetSslSettings(Command["dict[int, SslSettings]"]):
    """What SSL links will be opened with, by id; 1.0 shows one setting for all, without slots.

    In single-link mode from 2.2 on there is link 0 only. Source: at-dialects 7.11 (AT+CIPSSLCCONF?), observed
    1.0, 2.0, 4.1.
    """

    name: ClassVar[str] = "+CIPSSLCCONF"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSSLCCONF:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSSLCCONF?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> dict[int, SslSettings]:
        rows = [[int(value) for value in fields(after_colon(line))] for line in lines]
        if [len(row) for row in rows] == [2]:
            return dict.fromkeys(range(LINKS), SslSettings(SslAuth(rows[0][0])))
        return {row[0]: SslSettings(SslAuth(row[1]), row[2], row[3]) for row in rows}


@dataclass(frozen=True, slots=True)
class SetSslSettings(SimpleCommand):
    """Set what an SSL link will be opened with; slots 0 to 255. Stored in flash before 2.1, so ask first.

    1.0 has a form of its own, which is not known well enough. Source: at-dialects 7.11 (AT+CIPSSLCCONF=).
    """

    name: ClassVar[str] = "+CIPSSLCCONF"

    link_id: int
    settings: SslSettings

    def line(self, firmware: Firmware) -> bytes:
        for slot in (self.settings.own_slot, self.settings.authority_slot):
            if not 0 <= slot <= MAX_SLOT:
                raise ValueError(f"certificate slot {slot} is outside 0 to {MAX_SLOT}")
        return command_line(
            "+CIPSSLCCONF",
            checked_link(self.link_id),
            self.settings.auth,
            self.settings.own_slot,
            self.settings.authority_slot,
        )


@dataclass(frozen=True, slots=True)
class SetServerName(SimpleCommand):
    """The name that an SSL link asks its server for (SNI), up to 64 bytes; "" for none.

    That an empty name is taken is a guess. Source: at-dialects 7.11 (AT+CIPSSLCSNI, from 2.1 on).
    """

    name: ClassVar[str] = "+CIPSSLCSNI"

    link_id: int
    server_name: str

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSSLCSNI", checked_link(self.link_id), _name_or_none(self.server_name))


@dataclass(frozen=True, slots=True)
class SetCommonName(SimpleCommand):
    """The name that the server's certificate of an SSL link must have, up to 64 bytes; "" for any.

    That an empty name is taken is a guess. Source: at-dialects 7.11 (AT+CIPSSLCCN, from 2.1 on).
    """

    name: ClassVar[str] = "+CIPSSLCCN"

    link_id: int
    common_name: str

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSSLCCN", checked_link(self.link_id), _name_or_none(self.common_name))


@dataclass(frozen=True, slots=True)
class SetAlpn(SimpleCommand):
    """The protocols that an SSL link offers in its handshake, up to 5; none clears them.

    The module does not report which one was chosen. Source: at-dialects 7.11 (AT+CIPSSLCALPN, from 2.1 on).
    """

    name: ClassVar[str] = "+CIPSSLCALPN"

    link_id: int
    protocols: tuple[str, ...] = ()

    def line(self, firmware: Firmware) -> bytes:
        if len(self.protocols) > MAX_PROTOCOLS:
            raise ValueError(f"{len(self.protocols)} protocols; the module offers up to {MAX_PROTOCOLS}")
        if not all(self.protocols):
            raise ValueError("an ALPN protocol needs a name")
        return command_line("+CIPSSLCALPN", checked_link(self.link_id), len(self.protocols), *self.protocols)


def _name_or_none(name: str) -> str:
    return checked_host(name) if name else ""
