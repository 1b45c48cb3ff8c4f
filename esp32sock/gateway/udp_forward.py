"""A UDP port of the host to a server in the module's network: each client of the port has a link of its own.

Links are few and UDP has no end: a client gives its link back when nothing moved for `udp_idle_s`, or when
another needs one and it is the one that has been idle longest. What cannot be carried is dropped and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from esp32sock.gateway.destination import Destination
from esp32sock.gateway.events import EventKind, GatewayEvent, Service
from esp32sock.gateway.failures import is_link_over, reason
from esp32sock.gateway.gateway import Names
from esp32sock.gateway.relay import Transfer
from esp32sock.gateway.socks import LONGEST_DATAGRAM

if TYPE_CHECKING:
    from esp32sock.gateway.gateway import Gateway

WAITING_DATAGRAMS = 16
"""Of a client whose link is being opened, or is slow (chosen)."""


@dataclass(eq=False, slots=True)
class _Flow:
    """One client and its link."""

    client: Any
    send: trio.MemorySendChannel[bytes]
    moved_at: float
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    transfer: Transfer = field(default_factory=Transfer)
    ended: trio.Event = field(default_factory=trio.Event)


class UdpForward:
    """The clients of one port."""

    def __init__(self, gateway: Gateway, host_side: trio.socket.SocketType, target: Destination) -> None:
        self._gateway = gateway
        self._host_side = host_side
        self._target = target
        self._flows: dict[Any, _Flow] = {}

    async def run(self) -> None:
        """Until cancelled; closes the host's socket. OSError if that fails."""
        host, port, *_ = self._host_side.getsockname()
        where = str(Destination(host, port))
        self._gateway.report(GatewayEvent(EventKind.LISTENING, Service.UDP, where, str(self._target)))
        with self._host_side:
            await self._take_datagrams()

    async def _take_datagrams(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    data, client = await self._host_side.recvfrom(LONGEST_DATAGRAM)
                except ConnectionRefusedError:
                    continue  # a client has closed its port
                flow = self._flows.get(client)
                if flow is None:
                    await self._make_room()
                    flow = self._begin(nursery, client)
                try:
                    flow.send.send_nowait(data)
                except (trio.WouldBlock, trio.BrokenResourceError):
                    self._drop()

    async def _make_room(self) -> None:
        while len(self._flows) >= self._gateway.limits.udp_flows:
            idle = min(self._flows.values(), key=lambda flow: flow.moved_at)
            idle.scope.cancel()
            await idle.ended.wait()

    def _begin(self, nursery: trio.Nursery, client: Any) -> _Flow:
        send, receive = trio.open_memory_channel[bytes](WAITING_DATAGRAMS)
        flow = self._flows[client] = _Flow(client, send, trio.current_time())
        self._gateway.counters.clients += 1
        nursery.start_soon(self._carry, flow, receive)
        return flow

    async def _carry(self, flow: _Flow, datagrams: trio.MemoryReceiveChannel[bytes]) -> None:
        names = Names(str(Destination(*flow.client[:2])), str(self._target))
        try:
            with flow.scope, datagrams, await self._open() as module_side:
                self._gateway.connected(Service.UDP, names)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._outward, flow, datagrams, module_side)
                    nursery.start_soon(self._inward, flow, module_side)
                    await self._until_idle(flow)
                    nursery.cancel_scope.cancel()
        except OSError as error:
            self._gateway.refused(Service.UDP, names, reason(error))
        else:
            transfer = flow.transfer
            self._gateway.closed(Service.UDP, names, transfer.bytes_sent, transfer.bytes_received)
        finally:
            del self._flows[flow.client]
            flow.ended.set()

    async def _open(self) -> trio.socket.SocketType:
        return await self._gateway.network.open_udp_socket((self._target.host, self._target.port))

    async def _until_idle(self, flow: _Flow) -> None:
        limit = self._gateway.limits.udp_idle_s
        while trio.current_time() < flow.moved_at + limit:  # noqa: ASYNC110  (it moves on meanwhile)
            await trio.sleep_until(flow.moved_at + limit)

    async def _outward(
        self,
        flow: _Flow,
        datagrams: trio.MemoryReceiveChannel[bytes],
        module_side: trio.socket.SocketType,
    ) -> None:
        async for data in datagrams:
            try:
                await module_side.send(data)
            except OSError as error:
                self._stop_if_over(flow, error)
                continue
            flow.transfer.bytes_sent += len(data)
            flow.moved_at = trio.current_time()

    async def _inward(self, flow: _Flow, module_side: trio.socket.SocketType) -> None:
        while True:
            try:
                data = await module_side.recv(LONGEST_DATAGRAM)
                await self._host_side.sendto(data, flow.client)
            except OSError as error:
                self._stop_if_over(flow, error)
                continue
            flow.transfer.bytes_received += len(data)
            flow.moved_at = trio.current_time()

    def _stop_if_over(self, flow: _Flow, error: OSError) -> None:
        """Any error but the end of the link is that of one datagram."""
        self._drop()
        if is_link_over(error):
            flow.scope.cancel()

    def _drop(self) -> None:
        self._gateway.counters.datagrams_dropped += 1
