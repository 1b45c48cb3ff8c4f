"""What the firmware remembers until the next restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..nvs import Nvs


@dataclass(slots=True)
class State:
    """Fresh after every boot; what survives one is in the `Nvs`. Defaults: at-dialects 5 to 7."""

    # Basic
    echo: bool = True
    syslog: bool = False
    sysmsg: int = 0
    store: bool = True

    # Wi-Fi
    cwmode: int = 1
    auto_connect: bool = True

    # TCP/IP
    mux: bool = False
    passthrough_mode: bool = False
    """AT+CIPMODE=1."""
    dinfo: bool = False
    passive: bool = False
    server_port: int | None = None
    had_link: bool = False
    """A stream has been open or CIPCLOSE was used: STATUS:4 instead of 2."""
    wedged: bool = False
    """The hang of 2.0 after a second CIPSTART on an open link."""

    @classmethod
    def booted(cls, nvs: Nvs, *, default_cwmode: int) -> State:
        """The state right after a boot with this flash."""
        return cls(
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
