"""The requests of the firmware to the network, and how an answer reaches the activity that waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.address_text import is_address, read_address, read_address_6
from esp32sock.simulator.network.api import (
    ITSELF,
    Opened,
    Ping,
    Pinged,
    RequestTime,
    RequestUpdate,
    Resolve,
    Resolved,
    TimeReceived,
    UpdateFound,
    itself,
    version_of,
)

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.interfaces import Interfaces
    from esp32sock.simulator.kernel import Future
    from esp32sock.simulator.network.api import Event, IpVersion, Listen, Request


class NetworkRequests:
    """Requests that are under way, by the number in their answers: a handle, or a token."""

    def __init__(self, board: Board, interfaces: Interfaces) -> None:
        self._board = board
        self._interfaces = interfaces
        self._waiting: dict[int, Future[Event]] = {}
        self._next_handle = 1

    def new_handle(self) -> int:
        self._next_handle += 1
        return self._next_handle - 1

    def expect(self, key: int) -> Future[Event]:
        """The answer with this number; an earlier wait for it is never answered."""
        future: Future[Event] = self._board.kernel.future()
        self._waiting[key] = future
        return future

    def answer(self, key: int, event: Event) -> bool:
        """Give an answer; False if nothing waits for it."""
        future = self._waiting.pop(key, None)
        if future is not None:
            future.set(event)
        return future is not None

    def withdraw(self, key: int, future: Future[Event], event: Event) -> bool:
        """Answer this very future ourselves; False if it has its answer."""
        return self._waiting.get(key) is future and self.answer(key, event)

    def forget(self) -> None:
        """The firmware restarts."""
        self._waiting.clear()

    async def ask(self, key: int, request: Request) -> Event:
        """Send a request that the network answers."""
        future = self.expect(key)
        self._board.request(request)
        return await future

    async def resolve(self, name: str, *, version: IpVersion = 4, within_s: float = 0.0) -> str | None:
        """The address of a name; None if there is none of that version of IP, or none in time."""
        if version == 6:
            return await self._resolve_6(name, within_s)
        if is_address(name.strip()) and (address := read_address(name.strip())) is not None:
            return address  # blanks around an address are taken (sweep of CIPSTART, 2.0)
        if self._board.profile.tcpip.short_addresses and (address := read_address(name)) is not None:
            return address
        address = await self._look_up(name, 4, within_s)
        return address if self._interfaces.station.has_address or address == ITSELF else None

    async def _resolve_6(self, name: str, within_s: float) -> str | None:
        """4.1 takes no IPv4 address there (real-firmware 7)."""
        if is_address(name.strip()) or not self._interfaces.station.has_address_6:
            return None
        return read_address_6(name.strip()) or await self._look_up(name, 6, within_s)

    async def _look_up(self, name: str, version: IpVersion, within_s: float) -> str | None:
        token = self.new_handle()
        timer = None
        if within_s:
            timer = self._board.kernel.call_later(within_s, lambda: self.answer(token, Resolved(token, None)))
        event = await self.ask(token, Resolve(token, name, version))
        if timer is not None:
            timer.cancel()
        return event.address if isinstance(event, Resolved) else None

    async def ping(self, address: str) -> int | None:
        """Milliseconds to an address and back; None for no answer."""
        token = self.new_handle()
        event = await self.ask(token, Ping(token, self.outward(address)))
        return event.milliseconds if isinstance(event, Pinged) else None

    async def request_time(self, server: str) -> float | None:
        """The Unix time of an SNTP server."""
        token = self.new_handle()
        event = await self.ask(token, RequestTime(token, server))
        return event.unix_s if isinstance(event, TimeReceived) else None

    async def request_update(self) -> str | None:
        """The version that the update server has."""
        token = self.new_handle()
        event = await self.ask(token, RequestUpdate(token))
        return event.version if isinstance(event, UpdateFound) else None

    async def listen(self, request: Listen) -> Opened | None:
        event = await self.ask(request.handle, request)
        return event if isinstance(event, Opened) else None

    def outward(self, address: str) -> str:
        """An address as the network takes it: the module's own ones are all `ITSELF`, or its like in IPv6."""
        return itself(version_of(address)) if address in self._interfaces.own_addresses() else address
