"""The station side of Wi-Fi: joining, leaving, and the lines that report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.environment.radio import AccessPoint, JoinFailure, Subnet

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.kernel import Process


class Station:
    """Where the module is joined, if anywhere."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.access_point: AccessPoint | None = None
        self.has_address = False
        self.has_address_6 = False
        """AT+CIPV6 was 1 when the address was obtained, and the network has IPv6 (at-dialects 7.14).
        """
        self.joined_by_command = False
        """By AT+CWJAP, and not by itself."""
        self.failed = False
        """A join failed or the network was left: STATUS:5 (observed 1.0, 2.0)."""
        self._joining: Process | None = None
        self.connecting = False
        """A join by ourselves or by AT+CWJAP is under way: CWSTATE 3."""

    # Looking

    @property
    def fixed_subnet(self) -> Subnet | None:
        """The address of AT+CIPSTA, if DHCP of the station is off (at-dialects 6: the last of both wins)."""
        memory = self._board.memory
        if memory.get("dhcp", 3) & 1:
            return None
        subnet = memory.get("station_subnet", Subnet(address=""))
        return subnet if subnet.address else None

    @property
    def subnet(self) -> Subnet | None:
        """Our address and what belongs to it; a fixed one also without a network (observed 1.0, 2.0, 4.1)."""
        fixed = self.fixed_subnet
        if fixed is not None:
            return fixed
        access_point = self.access_point
        return access_point.subnet if access_point is not None and self.has_address else None

    @property
    def address(self) -> str:
        subnet = self.subnet
        return subnet.address if subnet is not None else "0.0.0.0"

    @property
    def will_join(self) -> bool:
        """Whether a boot ends in a join: an access point is stored and wanted."""
        state = self._board.state
        return state.station and state.auto_connect and bool(self._board.memory.get("ssid", ""))

    # Joining

    def start_joined(self) -> None:
        """Be joined as a module is that was powered on long ago."""
        if self.will_join:
            found = self._look_for_stored()
            if isinstance(found, AccessPoint):
                self.access_point = found
                self.has_address = True
                self.has_address_6 = self._obtains_6(found)

    def join_stored(self) -> None:
        """After a boot: join by ourselves if an access point is stored."""
        if self.will_join:
            self._joining = self._board.spawn(self._join_stored())

    async def _join_stored(self) -> None:
        self.connecting = True
        await self.associate()
        if not await self.obtain_address():
            self.failed = True
            await self._try_again(announced_before=False)
        self.connecting = False

    def rejoin(self) -> None:
        """Look for the stored access point by ourselves, after the loss of it (at-dialects 8.2)."""
        self._joining = self._board.spawn(self._try_again(announced_before=True))

    @property
    def _retries(self) -> tuple[int, int]:
        """How many seconds apart, 0 for never, and how often, 0 for ever: AT+CWRECONNCFG, before 2.2 each
        second (at-dialects 6).
        """
        if "CWRECONNCFG" not in self._board.profile.commands:
            return self._board.memory.get("join_reconnect", 0) or 1, 0
        return self._board.memory.get("reconnect", (1, 0))

    async def _try_again(self, *, announced_before: bool) -> None:
        """A failed attempt prints WIFI DISCONNECT once more, if it was printed before (at-dialects 8.2)."""
        board = self._board
        interval_s, most = self._retries
        attempts = 0
        while interval_s and (not most or attempts < most):
            self.connecting = True
            await board.kernel.sleep(interval_s)
            attempts += 1
            await self.associate()
            if await self.obtain_address():
                break
            await board.kernel.sleep(board.settings.timing.join_failure_s)
            if announced_before or self.access_point is not None:
                self._print("WIFI DISCONNECT")
            self.access_point = None
            interval_s, most = self._retries
        self.connecting = False

    def _look_for_stored(self) -> AccessPoint | JoinFailure:
        memory = self._board.memory
        return self._look_for(memory.get("ssid", ""), memory.get("password", ""), memory.get("bssid", ""))

    def _look_for(self, ssid: str, password: str, bssid: str) -> AccessPoint | JoinFailure:
        board = self._board
        lenient = board.profile.joins_open_with_password
        return board.radio.join(ssid, password, bssid, password_on_open=lenient)

    async def associate(self) -> None:
        """Join the stored access point, as far as WIFI CONNECTED."""
        if self.access_point is not None:
            return
        found = self._look_for_stored()
        if isinstance(found, AccessPoint):
            await self._connect(found)

    async def _connect(self, access_point: AccessPoint) -> None:
        board = self._board
        await board.kernel.sleep(board.settings.timing.associate_s)
        self.access_point = access_point
        self._print("WIFI CONNECTED")

    async def obtain_address(self) -> bool:
        """DHCP, or the fixed address; whether there is one, and the access point has not been left."""
        board, joined = self._board, self.access_point
        if joined is None:
            return False
        await board.kernel.sleep(board.settings.timing.dhcp_s)
        if self.access_point is not joined:  # a command left it while SmartConfig was joining
            return False
        if not joined.gives_addresses and self.fixed_subnet is None:
            return False
        self.has_address = True
        self.failed = False
        self._print("WIFI GOT IP")
        self.has_address_6 = self._obtains_6(joined)
        if self.has_address_6:
            self._print("WIFI GOT IPv6 LL")  # at-dialects 3.4; behind the other by guess
            self._print("WIFI GOT IPv6 GL")
        return True

    def _obtains_6(self, access_point: AccessPoint) -> bool:
        return self._board.state.ipv6 and bool(access_point.subnet.prefix_6)

    async def join(
        self,
        ssid: str,
        password: str,
        bssid: str,
        *,
        refuse_open: bool = False,
        within_s: float | None = None,
    ) -> int | None:
        """AT+CWJAP: the code of the failure, or None.

        A failure leaves the module without a network (observed 4.1). What takes longer than `within_s` is one
        too, for whatever reason.

        `refuse_open` is pci_en: an open access point is then not found (sweep of CWJAP, 2.0).
        """
        board = self._board
        self.leave()
        self.joined_by_command = True
        found = self._look_for(ssid, password, bssid)
        if refuse_open and isinstance(found, AccessPoint) and found.encryption == 0:
            found = JoinFailure.NOT_FOUND
        timing = board.settings.timing
        joins = isinstance(found, AccessPoint)
        takes_s = timing.associate_s + timing.dhcp_s if joins else timing.join_failure_s
        if within_s is not None and takes_s > within_s:
            self.failed = True
            await board.kernel.sleep(within_s)
            return JoinFailure.TIMEOUT
        if isinstance(found, JoinFailure):
            self.failed = True
            await board.kernel.sleep(timing.join_failure_s)
            return found
        await self._connect(found)
        if await self.obtain_address():
            return None
        if self.access_point is found:
            self.leave()
        return board.profile.address_failure

    def leave(self, *, announce: bool = True) -> bool:
        """Leave the access point; whether there was one. Links are the caller's business."""
        if self._joining is not None:
            self._joining.cancel()
            self._joining = None
        self.connecting = False
        if self.access_point is None:
            return False
        self.access_point = None
        self.has_address = self.has_address_6 = self.joined_by_command = False
        self.failed = True
        if announce:
            self._print("WIFI DISCONNECT")
        return True

    def _print(self, text: str) -> None:
        if self._board.profile.wifi_lines:
            self._board.line(text)
