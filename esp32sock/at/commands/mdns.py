"""Announcing a service on the local network (MDNS, which later documents added)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import SimpleCommand
from esp32sock.at.commands.validation import checked_host, checked_port
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class StartMdns(SimpleCommand):
    """Answer for `hostname`.local, and announce a service such as `_http` on a port.

    Source: at-dialects 6, from 1.0 on.
    """

    name: ClassVar[str] = "+MDNS"

    hostname: str
    service: str
    port: int

    def line(self, firmware: Firmware) -> bytes:
        if not self.service:
            raise ValueError("a service needs a name, such as _http")
        return command_line("+MDNS", 1, checked_host(self.hostname), self.service, checked_port(self.port))


@dataclass(frozen=True, slots=True)
class StopMdns(SimpleCommand):
    """Announce nothing any more. Source: at-dialects 6, from 1.0 on."""

    name: ClassVar[str] = "+MDNS"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+MDNS", 0)
