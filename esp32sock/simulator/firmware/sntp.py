"""The time: AT+CIPSNTPCFG, AT+CIPSNTPTIME, AT+CIPSNTPINTV (V1.0 5.2.13, 5.2.14; at-dialects 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.network_client import NetworkRequests
    from esp32sock.simulator.firmware.station import Station
    from esp32sock.simulator.kernel import Process

DEFAULT_SERVERS = ("cn.ntp.org.cn", "ntp.sjtu.edu.cn", "us.pool.ntp.org")
"""V1.0 5.2.13."""

SERVER_BYTES = 63
"""64 is refused (sweep of CIPSNTPCFG, 1.0, 2.0)."""

DEFAULT_INTERVAL_S = 3600
"""Docs of AT+CIPSNTPINTV."""

RETRY_S = 15.0
"""How soon a server that did not answer is asked again (lwIP's default)."""


class TimeClient:
    """The SNTP client: asks while it is enabled, sets the clock, and reports it where the firmware does."""

    def __init__(self, board: Board, station: Station, requests: NetworkRequests) -> None:
        self._board = board
        self._station = station
        self._requests = requests
        self.enabled = False
        self.zone = 0
        self.servers: tuple[str, ...] = ()
        self.interval_s = DEFAULT_INTERVAL_S
        """AT+CIPSNTPINTV."""
        self._requesting: Process | None = None

    def configure(self, zone: int, servers: tuple[str, ...], *, enabled: bool) -> None:
        self.enabled = enabled
        self.zone, self.servers = zone, servers
        if self._requesting is not None:
            self._requesting.cancel()
        self._requesting = self._board.spawn(self._ask()) if enabled else None

    async def _ask(self) -> None:
        board = self._board
        while True:
            unix_s = await self._request_from_any() if self._station.has_address else None
            if unix_s is None:
                await board.kernel.sleep(RETRY_S if self._station.has_address else 1.0)
                continue
            board.set_clock(unix_s)
            if board.profile.tcpip.prints_time_updated:
                board.line("+TIME_UPDATED")
            await board.kernel.sleep(self.interval_s)

    async def _request_from_any(self) -> float | None:
        for server in self.servers:
            unix_s = await self._requests.request_time(server)
            if unix_s is not None:
                return unix_s
        return None

    def reset(self) -> None:
        """The firmware restarts; whatever was under way has been cancelled."""
        self.enabled = False
        self.zone, self.servers = 0, ()
        self.interval_s = DEFAULT_INTERVAL_S
        self._requesting = None

    @property
    def offset_s(self) -> int:
        """What the zone adds: hours, or hhmm (docs of 2.2)."""
        zone = self.zone
        if abs(zone) <= 14:
            return zone * 3600
        hours, minutes = divmod(abs(zone), 100)
        return (hours * 3600 + minutes * 60) * (1 if zone > 0 else -1)
