"""h11 with a connection: events in and out, for either side of a proxy."""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING, TypeAlias, cast

import h11
import trio

if TYPE_CHECKING:
    from esp32sock.gateway.connection import Connection

Event: TypeAlias = (
    h11.Request
    | h11.InformationalResponse
    | h11.Response
    | h11.Data
    | h11.EndOfMessage
    | h11.ConnectionClosed
    | type[h11.PAUSED]
)

LONGEST_HEADERS = 65536
"""Bytes of one head; what is longer is refused with 431 (chosen)."""


class HttpSide:
    """A connection that carries HTTP/1.1, and the state of h11 for it."""

    def __init__(self, connection: Connection, role: type[h11.CLIENT | h11.SERVER], idle_s: float) -> None:
        self.connection = connection
        self.h11 = h11.Connection(role, max_incomplete_event_size=LONGEST_HEADERS)
        self._idle_s = idle_s

    async def next_event(self) -> Event:
        """The next one. OSError for the connection, h11.RemoteProtocolError for what is not HTTP."""
        while True:
            event = self.h11.next_event()
            if event is not h11.NEED_DATA:
                return cast("Event", event)
            with trio.move_on_after(self._idle_s) as patience:
                data = await self.connection.receive()
            if patience.cancelled_caught:
                raise TimeoutError(errno.ETIMEDOUT, f"nothing came for {self._idle_s:g} s")
            self.h11.receive_data(data)

    async def send(self, event: h11.Event) -> None:
        """OSError if the connection fails."""
        data = self.h11.send(event)
        if data:
            await self.connection.send_all(data)


def idle_limit(idle_s: float | None) -> float:
    """The limit of a side; None is none."""
    return math.inf if idle_s is None else idle_s
