"""What a test may do to a running module and its scenario: unplug the line, switch an access point off,
inject faults.

    async with open_module(settings, network) as opened:
        opened.controls.disable_ap()

    background = BackgroundModule(settings)
    background.controls.inject("drop:0.01")       # from any thread

Each call takes effect at once, between two steps of the module, and returns when it has.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Protocol, TypeVar

from esp32sock.simulator.faults.spec import parse_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.device import Device
    from esp32sock.simulator.environment.radio import AccessPoint, Radio

T = TypeVar("T")


class Perform(Protocol):
    """Runs something between two steps of the module."""

    def __call__(self, action: Callable[[], T], /) -> T: ...


class Controls:
    """Acts on one module."""

    def __init__(self, module: Device, perform: Perform) -> None:
        self._module = module
        self._perform = perform

    @property
    def _radio(self) -> Radio:
        return self._module.firmware.board.radio

    # The line and the module

    def unplug(self, seconds: float | None = None) -> None:
        """Cut the serial line, for so long or for good; a terminal vanishes and comes back at the same path.

        The module goes on; what it prints meanwhile is lost.
        """
        self._perform(lambda: self._module.uart.unplug(inf if seconds is None else seconds))

    def restart(self) -> None:
        """Reset the chip as a watchdog does: no line is printed, links are gone, boot, `ready`."""
        self._perform(self._module.firmware.crash)

    def inject(self, spec: str) -> None:
        """Faults from now on, besides those that are at work; occasions count from now.

        Raises ValueError for a SPEC that cannot be understood.
        """
        faults = parse_faults(spec)
        self._perform(lambda: self._module.add_faults(faults))

    def clear_faults(self) -> None:
        """No faults any more. What they did stays done."""
        self._perform(self._module.end_faults)

    # Wi-Fi

    def disable_ap(self, ssid: str | None = None) -> None:
        """Switch an access point off; without a name, all. A module that is there loses its network, and
        tries again as its firmware does.
        """

        def lose() -> None:
            self._module.firmware.lose_access_points({point.ssid for point in self._named(ssid)})

        self._perform(lose)

    def enable_ap(self, ssid: str | None = None) -> None:
        """Switch it on again."""
        self._perform(lambda: self._radio.away.difference_update(point.ssid for point in self._named(ssid)))

    def set_access_point(self, ssid: str, **changes: object) -> None:
        """Give an access point another `password`, `rssi_dbm`, `channel` and so on (`AccessPoint`); a
        module that is joined stays joined. Raises ValueError for a name that does not exist, TypeError for a
        property that does not.
        """

        def change() -> None:
            radio, station = self._radio, self._module.firmware.station
            for old in self._named(ssid):
                new = replace(old, **changes)  # type: ignore[arg-type]
                radio.access_points[radio.access_points.index(old)] = new
                if station.access_point == old:
                    station.access_point = new

        self._perform(change)

    def _named(self, ssid: str | None) -> list[AccessPoint]:
        points = self._radio.access_points
        found = [point for point in points if ssid in (None, point.ssid)]
        if not found and ssid is not None:
            raise ValueError(f"no access point {ssid!r}; there are {', '.join(p.ssid for p in points)}")
        return found

    def connect_station(self, mac: str) -> str | None:
        """Let a station come to the SoftAP; the address it gets, None if the SoftAP is off or full."""
        return self._perform(lambda: self._module.firmware.softap.join(mac))

    def disconnect_station(self, mac: str) -> None:
        """Let it leave."""
        self._perform(lambda: self._module.firmware.softap.disconnect(mac))
