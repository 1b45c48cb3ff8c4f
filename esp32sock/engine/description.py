"""What every engine and management session of this process is about, as text, for a diagnostic dump.

Read in another thread while they run, so nothing here waits, and a value may be of the next moment already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context


class Described(Protocol):
    """What can be asked for its state in any thread."""

    def describe(self) -> list[str]: ...


_living: WeakSet[Described] = WeakSet()


def include(described: Described) -> None:
    """Have it in every dump for as long as it exists."""
    _living.add(described)


def describe_all() -> list[str]:
    """The state of all of them; of one that fails while it is read, why."""
    lines = []
    for described in list(_living):
        try:
            lines += described.describe()
        except Exception as error:
            lines.append(f"{type(described).__name__}: {error!r}")
    return lines


def describe_context(context: Context) -> list[str]:
    """A running engine: its module, links and counters."""
    lines = [f"engine: {context.options!r}"]
    address = context.station_ip or "no address"
    lines.append(f"  {context.firmware.release}, {address}, failure: {context.failure!r}")
    lines += [
        f"  link {pump.link_id} ({type(pump).__name__}): {pump.sent_bytes} bytes sent, "
        f"{pump.received_bytes} received, {pump.unread_bytes} unread"
        for pump in context.pumps()
    ]
    server = context.server
    lines.append("  no listener" if server is None else f"  listening on port {server.port}")
    counts = context.counters.snapshot(context.pumps(), context.unread_bytes, context.channel_repeats)
    lines.append("  " + ", ".join(f"{name} {value}" for name, value in counts.items() if value))
    return lines + (describe_channel(context.channel) if context.is_open else ["  the port is not open"])


def describe_channel(channel: CommandChannel) -> list[str]:
    """An open port and the session on it."""
    session = channel.session
    command = session.command.state.name
    if session.command_label is not None:
        command = f"{command} ({session.command_label})"
    return [
        f"  port {channel.port.name} at {channel.port.baudrate} baud, {channel.heard_bytes} bytes heard",
        f"  module {channel.state.name}, command {command}",
        f"  doubt: {channel.comparison.doubt}, silence: {channel.silence!r}, error: {channel.error!r}",
    ]
