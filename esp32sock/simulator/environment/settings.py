"""What a simulated module is made with. The options by which users choose are in options.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esp32sock.simulator.environment.radio import (
    DEFAULT_ACCESS_POINTS,
    AccessPoint,
    Provisioning,
    SoftApClient,
)
from esp32sock.simulator.profiles.generations import DEFAULT_PROFILE
from esp32sock.simulator.serial.uart import UartSettings

if TYPE_CHECKING:
    from esp32sock.simulator.network.shaping import Name

WINDOW_BYTES = 5760
"""The TCP window of a stock build: four segments of 1440 (performance-facts 2.4)."""

OPEN_WINDOW_BYTES = 1 << 20
"""What stands for "no window": enough that the window is never what limits an unpaced module."""

RING_BYTES = 8192
"""The transmit ring of the firmware (at-dialects 2)."""

OPEN_RING_BYTES = 1 << 18
"""The transmit ring of an unpaced module, which would otherwise be a limit that no line justifies."""


DEFAULT_ALIASES = (("10.0.2.2", "127.0.0.1"), ("fec0::2", "::1"))
"""The gateway of the captures, QEMU's user network, is the machine that the simulator runs on."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the module takes, in seconds.

    Shorter than a chip by choice: tests and users wait in real time.
    """

    boot_s: float = 0.3
    associate_s: float = 0.1
    dhcp_s: float = 0.1
    join_failure_s: float = 1.0
    scan_s: float = 0.2
    command_s: float = 0.0
    """Between the end of a line and the first byte of its answer."""


OBSERVED_TIMING = Timing(
    boot_s=1.7, associate_s=2.5, dhcp_s=1.0, join_failure_s=17.0, scan_s=1.6, command_s=0.001
)
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
    latency_ms: float = 0.0
    """Delay of the host's adapter, once for each write of the host."""
    boot_noise: bool = False
    """AT on UART0: what the ROM and the bootloader print comes on the same line (at-dialects 2)."""
    drain_bytes_per_s: float | None = None
    """How fast the firmware empties its receive ring; None: as fast as bytes come."""
    faults: str = ""
    """A SPEC, see faults/spec.py."""
    nvs: str | None = None
    """A file that is the module's flash; None: forgotten at the end."""
    window: int | None = None
    """TCP receive window of each link in bytes; None: 5760 on a paced module, 1 MiB on an unpaced one."""
    timing: Timing = field(default_factory=Timing)
    identity: Identity = field(default_factory=Identity)
    access_points: tuple[AccessPoint, ...] = DEFAULT_ACCESS_POINTS
    aliases: tuple[tuple[str, str], ...] = DEFAULT_ALIASES
    """Addresses of the module's network that are others on the host's."""
    names: tuple[Name, ...] = ()
    update: str | None = None
    """The version that the update server offers; None: there is no such server."""
    provisioning: Provisioning | None = None
    """A phone that gives the module a network by SmartConfig."""
    wps: str | None = None
    """The SSID of the access point whose WPS button is pressed."""
    stations: tuple[SoftApClient, ...] = ()
    """Stations that join the module's SoftAP."""
    certificates: tuple[tuple[str, str], ...] = ()
    """What is in certificate slots instead of what the firmware is shipped with: `client_ca.0` and PEM; an
    empty text empties the slot.
    """

    @property
    def uart(self) -> UartSettings:
        return UartSettings(baud=self.baud)

    @property
    def window_bytes(self) -> int:
        """The receive window of a link."""
        if self.window is not None:
            return self.window
        return WINDOW_BYTES if self.paced else OPEN_WINDOW_BYTES

    @property
    def ring_bytes(self) -> int:
        return RING_BYTES if self.paced else OPEN_RING_BYTES
