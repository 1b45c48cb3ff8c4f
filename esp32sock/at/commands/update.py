"""New firmware over the air (CIUPDATE, chapter 5 of the 2017 document)."""

from __future__ import annotations

import re
from dataclasses import field
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esp32sock.at.firmware import Firmware


class UpdateStage(IntEnum):
    """The number in `+CIPUPDATE:<n>` (V1.0, 5.2.15)."""

    FINDING_SERVER = 1
    CONNECTING = 2
    ASKING_VERSION = 3
    UPDATING = 4


_STAGE = re.compile(rb"\+CIP?UPDATE:([1-4])")


MAX_VERSION_BYTES = 32
"""By taste: the versions that there are have 8 to 12."""


def _stages(lines: Sequence[bytes]) -> tuple[UpdateStage, ...]:
    return tuple(UpdateStage(int(match[1])) for match in map(_STAGE.fullmatch, lines) if match)


@dataclass(frozen=True, slots=True)
class Update(Command["tuple[UpdateStage, ...]"]):
    """Fetch new firmware from its maker's server; minutes, and the module restarts with it.

    `over_tls` and `version` (such as `v2.4.0.0`) exist from 2.0 on, ValueError before; left out, the
    module takes the latest. The result is the stages it went through. `on_stage` is called as each begins;
    it is called where the module is read, and must return at once. Source: V1.0, 5.2.15, at-dialects 7.11.
    """

    name: ClassVar[str] = "+CIUPDATE"
    timeout: ClassVar[float] = 600.0
    """A megabyte over a slow network; by taste."""

    over_tls: bool | None = None
    version: str | None = None
    on_stage: Callable[[UpdateStage], object] | None = field(default=None, compare=False, repr=False)

    @property
    def ends_links(self) -> bool:
        return True

    def line(self, firmware: Firmware) -> bytes:
        if self.over_tls is None and self.version is None:
            return command_line("+CIUPDATE")
        if not firmware.at_least(2, 0):
            raise ValueError(
                "this firmware always installs the latest version; 2.0 and later accept a version"
            )
        if self.version is not None and not 1 <= len(self.version.encode()) <= MAX_VERSION_BYTES:
            raise ValueError(f"a version has 1 to {MAX_VERSION_BYTES} bytes")
        return command_line("+CIUPDATE", bool(self.over_tls), self.version)

    def matches_line(self, text: bytes) -> bool:
        """A stage; `on_stage` is called here, since each line is offered once, as it comes."""
        stages = _stages([text])
        if stages and self.on_stage is not None:
            self.on_stage(stages[0])
        return bool(stages)

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> tuple[UpdateStage, ...]:
        return _stages(lines)

    def advice(self, lines: Sequence[bytes]) -> str:
        stages = _stages(lines)
        if not stages:
            return "no update server was found; try again later, the firmware is unchanged"
        return f"it failed while {_DOING[stages[-1]]}; try again later, the firmware is unchanged"


_DOING = {
    UpdateStage.FINDING_SERVER: "finding the server",
    UpdateStage.CONNECTING: "connecting to the server",
    UpdateStage.ASKING_VERSION: "asking for the version",
    UpdateStage.UPDATING: "fetching the firmware",
}


@dataclass(frozen=True, slots=True)
class UpdateState(Command["UpdateStage | None"]):
    """How far a running update is, None without one. Source: real-firmware, from 2.0 on."""

    name: ClassVar[str] = "+CIUPDATE"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPUPDATE:", b"+CIUPDATE:")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIUPDATE?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> UpdateStage | None:
        stage = int(after_colon(lines[0]))
        return UpdateStage(stage) if stage else None
