"""Certificates and keys in the module's flash, written at run time (SYSMFG, at-dialects 5).

They are written as their files are, without a NUL behind them (documents of 4.1, whose 1164 bytes are the
shipped certificate's file).
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import SimpleCommand
from esp32sock.at.commands.ssl import MAX_SLOT
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware

WRITE = 2
BINARY = 8
"""Operation and type of SYSMFG (at-dialects 5)."""

MAX_PEM_BYTES = 8192
"""The size of a certificate partition on 2.0 (observed, AT+SYSFLASH?); of later firmware none is known."""

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----[\x20-\x7e\r\n]+-----END [A-Z0-9 ]+-----\s*")


class CertificateKind(Enum):
    """What SSL client links take out of the flash; the value is its name there."""

    AUTHORITY = "client_ca"
    CERTIFICATE = "client_cert"
    KEY = "client_key"


@dataclass(frozen=True, slots=True)
class StoreCertificate(SimpleCommand):
    """Write a certificate, several in a row, or a key, as PEM, into a slot; what was there is lost.

    It stays in the flash, which wears. Up to 8192 bytes. Source: at-dialects 5 (AT+SYSMFG=, from 3.2 on).
    """

    name: ClassVar[str] = "+SYSMFG"
    timeout: ClassVar[float] = 15.0
    """The flash is written before the final OK; by taste."""

    what: CertificateKind
    slot: int
    pem: bytes = field(repr=False)

    @property
    def payload(self) -> memoryview | None:
        return memoryview(self.pem)

    @property
    def stores_payload(self) -> bool:
        return True

    @property
    def is_secret(self) -> bool:
        return self.what is CertificateKind.KEY  # pieces of it could come back as text that is not understood

    def line(self, firmware: Firmware) -> bytes:
        if not 0 <= self.slot <= MAX_SLOT:
            raise ValueError(f"certificate slot {self.slot} is outside 0 to {MAX_SLOT}")
        if not _PEM.match(self.pem):
            raise ValueError("a certificate or key must be PEM text")
        if len(self.pem) > MAX_PEM_BYTES:
            raise ValueError(f"{len(self.pem)} bytes of PEM; a slot takes {MAX_PEM_BYTES}")
        space = self.what.value
        return command_line("+SYSMFG", WRITE, space, f"{space}.{self.slot}", BINARY, len(self.pem))
