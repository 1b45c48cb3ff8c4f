"""What somebody who starts a simulated module may choose."""

from __future__ import annotations

from dataclasses import dataclass, field

from .profiles import DEFAULT_PROFILE
from .radio import DEFAULT_ACCESS_POINTS, AccessPoint
from .uart import UartSettings

WINDOW_BYTES = 5760
"""The TCP window of a stock build: four segments of 1440 (performance-facts 2.4)."""

OPEN_WINDOW_BYTES = 1 << 20
"""What stands for "no window": enough that the window is never what limits an unpaced module."""

RING_BYTES = 8192
"""The transmit ring of the firmware (at-dialects 2)."""

OPEN_RING_BYTES = 1 << 18
"""The transmit ring of an unpaced module, which would otherwise be a limit that no line justifies."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the module takes, in seconds.

    Shorter than a chip by choice: real time is paid for by whoever waits.
    """

    boot_s: float = 0.3
    associate_s: float = 0.1
    dhcp_s: float = 0.1
    join_failure_s: float = 1.0
    command_s: float = 0.0
    """Between the end of a line and the first byte of its answer."""


OBSERVED_TIMING = Timing(boot_s=1.7, associate_s=2.5, dhcp_s=1.0, join_failure_s=17.0, command_s=0.001)
"""What the captures of 2.0 show (an emulator's times, not a chip's)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes this module this one; the addresses are those of the captures."""

    station_mac: str = "10:01:00:c4:0a:24"
    softap_mac: str = "10:01:00:c4:0a:25"
    host_name: str = "espressif"


@dataclass(frozen=True, slots=True)
class Settings:
    """One module.

    `joined`: its flash holds the first access point. `cold`: it is powered on now, not long ago.
    """

    profile: str = DEFAULT_PROFILE
    seed: int = 0
    joined: bool = True
    cold: bool = False
    paced: bool = False
    baud: int = 115200
    latency_s: float = 0.0
    window_bytes: int | None = None
    """None: 5760 on a paced module, as good as none on an unpaced one."""
    timing: Timing = field(default_factory=Timing)
    identity: Identity = field(default_factory=Identity)
    access_points: tuple[AccessPoint, ...] = DEFAULT_ACCESS_POINTS

    @property
    def uart(self) -> UartSettings:
        return UartSettings(baud=self.baud)

    @property
    def window(self) -> int:
        if self.window_bytes is not None:
            return self.window_bytes
        return WINDOW_BYTES if self.paced else OPEN_WINDOW_BYTES

    @property
    def ring_bytes(self) -> int:
        return RING_BYTES if self.paced else OPEN_RING_BYTES
