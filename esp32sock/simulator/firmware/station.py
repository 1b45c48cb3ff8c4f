"""The station side of Wi-Fi: joining, leaving, and the lines that tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..radio import AccessPoint, JoinFailure

if TYPE_CHECKING:
    from ..kernel import Process
    from .core import Firmware


class Station:
    """Where the module is joined, if anywhere."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.access_point: AccessPoint | None = None
        self.has_address = False
        self.failed = False
        """A join failed or the network was left: STATUS:5 (observed 1.0, 2.0)."""
        self._joining: Process | None = None

    # Looking

    @property
    def address(self) -> str:
        access_point = self.access_point
        return access_point.subnet.address if access_point is not None and self.has_address else "0.0.0.0"

    @property
    def will_join(self) -> bool:
        """Whether a boot ends in a join: an access point is stored and wanted."""
        state = self._firmware.state
        return state.station and state.auto_connect and bool(self._firmware.nvs.get("ssid", ""))

    # Joining

    def already_joined(self) -> None:
        """Be joined as a module is that was powered on long ago."""
        if self.will_join:
            found = self._look_for_stored()
            if isinstance(found, AccessPoint):
                self.access_point = found
                self.has_address = True

    def join_stored(self) -> None:
        """After a boot: join by ourselves if an access point is stored."""
        if self.will_join:
            self._joining = self._firmware.spawn(self._join_stored())

    async def _join_stored(self) -> None:
        await self.associate()
        await self.obtain_address()

    def _look_for_stored(self) -> AccessPoint | JoinFailure:
        firmware = self._firmware
        nvs = firmware.nvs
        return firmware.radio.join(nvs.get("ssid", ""), nvs.get("password", ""), nvs.get("bssid", ""))

    async def associate(self) -> None:
        """Join the stored access point, as far as WIFI CONNECTED."""
        if self.access_point is not None:
            return
        found = self._look_for_stored()
        if isinstance(found, AccessPoint):
            await self._connect(found)

    async def _connect(self, access_point: AccessPoint) -> None:
        firmware = self._firmware
        await firmware.kernel.sleep(firmware.settings.timing.associate_s)
        self.access_point = access_point
        self._say("WIFI CONNECTED")

    async def obtain_address(self) -> None:
        """DHCP on the access point we are at."""
        firmware = self._firmware
        if self.access_point is None:
            return
        await firmware.kernel.sleep(firmware.settings.timing.dhcp_s)
        self.has_address = True
        self.failed = False
        self._say("WIFI GOT IP")

    async def join(self, ssid: str, password: str, bssid: str) -> JoinFailure | None:
        """AT+CWJAP. A failure leaves the module without a network (observed 4.1)."""
        firmware = self._firmware
        self.leave()
        found = firmware.radio.join(ssid, password, bssid)
        if isinstance(found, JoinFailure):
            self.failed = True
            await firmware.kernel.sleep(firmware.settings.timing.join_failure_s)
            return found
        await self._connect(found)
        await self.obtain_address()
        return None

    def leave(self) -> bool:
        """Leave the access point; whether there was one. Links are the caller's business."""
        if self._joining is not None:
            self._joining.cancel()
            self._joining = None
        if self.access_point is None:
            return False
        self.access_point = None
        self.has_address = False
        self.failed = True
        self._say("WIFI DISCONNECT")
        return True

    def _say(self, text: str) -> None:
        if self._firmware.profile.wifi_lines:
            self._firmware.line(text)
