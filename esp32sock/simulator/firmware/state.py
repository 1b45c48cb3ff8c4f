"""What the firmware keeps until the next restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.state_tcpip import TcpIpState

if TYPE_CHECKING:
    from esp32sock.simulator.nvs import Nvs


@dataclass(slots=True)
class State(TcpIpState):
    """Fresh after every boot; what survives one is in the `Nvs`. Defaults: at-dialects 5 to 7."""

    # Basic
    echo: bool = True
    syslog: bool = False
    sysmsg: int = 0
    store: bool = True
    sleep_mode: int = 0
    rf_power: tuple[int, ...] = ()
    """As set by RFPOWER; empty: as shipped."""

    # Wi-Fi
    cwmode: int = 1
    wifi_driver: bool = True
    """AT+CWINIT."""
    auto_connect: bool = True
    host_name: str = ""
    """As set by CWHOSTNAME, which is not stored (at-dialects 6); empty: as shipped."""
    scan_ordered: bool = True
    scan_mask: int = -1
    scan_weakest_dbm: int = -100
    scan_authentication: int = 0xFFFF

    @classmethod
    def booted(cls, nvs: Nvs, *, default_cwmode: int, sleep_mode: int = 0) -> State:
        """The state right after a boot with this flash."""
        return cls(
            sleep_mode=sleep_mode,
            cwmode=nvs.get("cwmode", default_cwmode),
            auto_connect=nvs.get("auto_connect", True),
            store=True,
            sysmsg=nvs.get("sysmsg", 0),
        )

    @property
    def station(self) -> bool:
        return bool(self.cwmode & 1)

    @property
    def softap(self) -> bool:
        return bool(self.cwmode & 2)
