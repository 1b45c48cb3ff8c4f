"""The module's one TCP server (CIPSERVER and its like, chapter 5 of the 2017 document)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import checked_port, checked_seconds
from esp32sock.at.kinds import kind_for, without_family
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

TCP_V6 = kind_for("TCP", "", ipv6=True)


@dataclass(frozen=True, slots=True)
class Listen(SimpleCommand):
    """Start the server on a port. Source: V1.0, 5.2.9, at-dialects 7.9."""

    name: ClassVar[str] = "+CIPSERVER"

    port: int
    ipv6: bool = False
    """Listen for IPv6 instead (from 2.2 on)."""

    @property
    def ends_server(self) -> bool:
        return True

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSERVER", 1, checked_port(self.port), TCP_V6 if self.ipv6 else None)


@dataclass(frozen=True, slots=True)
class StopListening(SimpleCommand):
    """Stop the server; accepted links stay open. Source: V1.0, 5.2.9, at-dialects 7.9."""

    name: ClassVar[str] = "+CIPSERVER"

    @property
    def ends_server(self) -> bool:
        return True

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSERVER", 0)


@dataclass(frozen=True, slots=True)
class ServerLinks(SimpleCommand):
    """How many links the server may accept, 1 to 5; before it starts.

    Source: at-dialects 7.9, from 1.0 on.
    """

    name: ClassVar[str] = "+CIPSERVERMAXCONN"

    count: int

    def line(self, firmware: Firmware) -> bytes:
        if not 1 <= self.count <= 5:
            raise ValueError(f"{self.count} server links; the module has 1 to 5")
        return command_line("+CIPSERVERMAXCONN", self.count)


@dataclass(frozen=True, slots=True)
class ServerTimeout(SimpleCommand):
    """Seconds after which an idle accepted link is closed, 0 (never) to 7200; needs a running server.

    Source: V1.0, 5.2.12, real-firmware.
    """

    name: ClassVar[str] = "+CIPSTO"

    seconds: int

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSTO", checked_seconds("idle time", self.seconds))


@dataclass(frozen=True, slots=True)
class GetServerTimeout(Command[timedelta]):
    """When an idle accepted link is closed, 0 for never. Source: V1.0, 5.2.12, at-dialects 7.9."""

    name: ClassVar[str] = "+CIPSTO"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSTO:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSTO?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> timedelta:
        return timedelta(seconds=int(after_colon(lines[0])))


@dataclass(frozen=True, slots=True)
class Server:
    """The module's running server."""

    port: int
    kind: str = "TCP"

    @property
    def is_ipv6(self) -> bool:
        """Whether it listens for IPv6."""
        return self.kind != without_family(self.kind)


@dataclass(frozen=True, slots=True)
class GetServer(Command["Server | None"]):
    """The running server, None without. Source: at-dialects 7.9, from 1.0 on."""

    name: ClassVar[str] = "+CIPSERVER"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSERVER:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSERVER?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Server | None:
        on, *rest = fields(after_colon(lines[0]))
        return Server(int(rest[0]), *rest[1:2]) if on == "1" else None
