"""The handles of a client's links: the way to give up on one, and to change its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from esp32sock.broker.client_links import AcceptedLink
    from esp32sock.broker.connection import BrokerConnection
    from esp32sock.engine.requests import StreamEvents, StreamOptions


class ClientHandle:
    """What an open call is given; in a forked child it belongs to the parent, and does nothing."""

    def __init__(self, connection: BrokerConnection, number: int) -> None:
        self._connection = connection
        self._era = connection.era
        self.number = number

    def abandon(self) -> None:
        self._connection.abandon(self.number, self._era)

    def set_options(self, options: StreamOptions) -> Future[None]:
        return self._connection.set_options(self.number, self._era, options)


class AcceptedHandle(ClientHandle):
    """The same for an accepted stream: closing its descriptor ends it."""

    def __init__(self, connection: BrokerConnection, number: int, link: AcceptedLink) -> None:
        super().__init__(connection, number)
        self._link = link

    def abandon(self) -> None:
        pass

    def attach(self, events: StreamEvents) -> None:
        self._link.attach(events)
