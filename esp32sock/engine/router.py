"""Unsolicited events on the way to their owner: a link, the server, the Wi-Fi, the supervisor."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from esp32sock.at.commands.redaction import redacted
from esp32sock.at.events import (
    Contradiction,
    DoubtSettled,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleEvent,
    ModuleRestarted,
    ModuleSilent,
    OrphanLink,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.framing import DISCARD
from esp32sock.at.state import ModuleState
from esp32sock.engine.link_closing import close_orphan
from esp32sock.errors import Error, ModuleReset, PortError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.engine.context import Context
    from esp32sock.engine.link_pool import Pump
    from esp32sock.engine.supervisor import Supervisor
    from esp32sock.engine.wifi import Station

log = logging.getLogger("esp32sock")


class Router:
    """The listener of every channel of one engine; called in the channel's reading task, never waits."""

    def __init__(self, context: Context, station: Station, supervisor: Supervisor) -> None:
        self._context = context
        self._station = station
        self._supervisor = supervisor
        self._watchers: list[Callable[[ModuleEvent], object]] = []

    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        """Tell `watcher` every event from now on, passwords taken out; gives back what stops that."""
        self._watchers.append(watcher)

        def stop() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return stop

    # -- payload --------------------------------------------------------------------------------------

    def payload(self, link_id: int) -> None:
        """Payload of a link lies in the demultiplexer: on to its pump, within the limits."""
        context = self._context
        demux, pumps = context.channel.session.demux, context.pool.pumps
        pump = pumps.get(link_id)
        if pump is None:
            demux.set_sink(link_id, DISCARD)
            return
        pump.collect(demux)
        if pump.unread_bytes > context.options.unread_link_bytes:
            _overflowed(pump, "unread_link_bytes")
        elif context.unread_bytes > context.options.unread_bytes:
            _overflowed(max(pumps.values(), key=lambda each: each.unread_bytes), "unread_bytes")

    # -- events ---------------------------------------------------------------------------------------

    def event(self, event: ModuleEvent) -> None:
        """Any event that is not the result of a command."""
        if isinstance(event, UnknownText):
            event = UnknownText(redacted(event.text))
        for watcher in tuple(self._watchers):
            watcher(event)
        self._route(event)
        if self._context.is_open:
            self._context.pool.changed()
        self._context.notify()

    def _route(self, event: ModuleEvent) -> None:
        context = self._context
        match event:
            case LinkOpened(accepted=True):
                self._link_accepted(event)
            case LinkOpened():
                pass  # the opening task waits for the result of CIPSTART
            case LinkClosed():
                self._link_closed(event)
            case LinkFault():
                self._link_faulty(event)
            case OrphanLink():
                context.tasks.spawn(close_orphan, context, event.link_id)
            case UnreadWaiting():
                pump = context.pool.pumps.get(event.link_id)
                if pump is not None:
                    pump.announce()
            case WifiChanged():
                self._station.changed(event.state)
            case ModuleRestarted():
                self._supervisor.module_restarted()
                self._forget_module(ModuleReset("the module restarted; the listener ends"))
            case DoubtSettled() | Contradiction():
                context.counters.doubts += 1
                context.tasks.spawn(context.channel.settle)
            case ModuleSilent():
                error = context.channel.silence
                assert error is not None, "the channel notes it first"
                self._supervisor.module_silent(error)
                self._forget_module(error.clone())
            case UnknownText():
                if context.channel.state is not ModuleState.SYNCING:  # then the probe's echoes come
                    context.counters.unknown_lines += 1
                log.debug("unsolicited text: %r", event.text)
            case _:
                log.debug("unsolicited text: %r", event)

    def _forget_module(self, error: Error) -> None:
        """Its links and settings are gone, or as good as gone."""
        self._context.tls.forgotten = True
        self._station.forget()
        if self._context.server is not None:
            self._context.server.fail(error)

    def port_lost(self, error: PortError) -> None:
        """The channel is over; the supervisor sees to it."""
        self._context.notify()

    def _link_accepted(self, event: LinkOpened) -> None:
        server = self._context.server
        if server is None:
            self._context.tasks.spawn(close_orphan, self._context, event.link_id)
        else:
            server.accepted(event)

    def _link_closed(self, event: LinkClosed) -> None:
        context = self._context
        links = context.channel.session.links
        if links[event.link_id].generation == event.generation:  # else the next client has it already
            links.release(event.link_id)
        pump = context.pool.pumps.get(event.link_id)
        if pump is None:
            return
        context.pool.release(pump)
        error = event.error or self._station.lost(event.link_id)
        if error is None:
            pump.peer_closed()
        else:
            pump.fail(error)

    def _link_faulty(self, event: LinkFault) -> None:
        pump = self._context.pool.pumps.get(event.link_id)
        if pump is None:
            self._context.tasks.spawn(close_orphan, self._context, event.link_id)
        else:
            pump.fail(RemoteProtocolError(f"link {event.link_id}: {event.reason}"))


def _overflowed(pump: Pump, limit: str) -> None:
    unread = f"{pump.unread_bytes} received bytes were not read"
    why = f"link {pump.link_id}: {unread}, more than {limit} allows"
    pump.fail(Error(why, errno=errno.ECONNRESET))
