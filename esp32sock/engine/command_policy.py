"""What a command of the user would end: it is refused, or every socket concerned gets an error first.

Theory of operation: a command declares what it ends (`ends_links`, `ends_link`, `ends_server`). While any
of that is open it is refused with EBUSY; with `force`, every socket concerned gets ECONNRESET, and the
command goes out when the links are closed. Some commands are always refused: an interface cannot carry out
what they begin, or host and module would disagree about the state of the line.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any

import trio

from esp32sock._dataclass import dataclass
from esp32sock.at.commands import Raw
from esp32sock.at.commands.passive import SetReceiveMode, SetReceiveType
from esp32sock.at.commands.passthrough import EnterPassthrough
from esp32sock.at.commands.prompting import asks_for_payload, begins_stream
from esp32sock.at.commands.tcpip import ALL_LINKS
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.engine.context import Context, RunningServer
    from esp32sock.engine.link_pool import Pump

LINKS_END_S = 5.0
"""How long a command that ends links waits for them to be closed; by taste."""

_PASSTHROUGH = "passthrough is a stream of its own: see esp32sock.passthrough"
_RECEIVE_MODE = "the engine sets the receive mode; attach with receive='active' or 'passive'"
_NEVER_TYPED = {EnterPassthrough: _PASSTHROUGH, SetReceiveMode: _RECEIVE_MODE, SetReceiveType: _RECEIVE_MODE}
_ASKS = "it asks for a payload, and a raw command has none; use the classes of esp32sock.at.commands"
_NEVER_RAW = tuple(
    (re.compile(pattern, re.IGNORECASE), why)
    for pattern, why in (
        (rb"AT\+CIPRECV(?:MODE|TYPE)=[^?]", _RECEIVE_MODE),
        (rb"AT\+UART(?:_CUR|_DEF)?=[^?]",
         "the host's port must change too; use basic.SetUart or basic.SetStoredUart"),
    )
)  # fmt: skip


def reject_unsupported(context: Context, command: Command[Any]) -> None:
    """Error(EINVAL) for what no interface can do, Error(EBUSY) for payload on a socket's link."""
    why = next((why for kind, why in _NEVER_TYPED.items() if isinstance(command, kind)), "")
    if isinstance(command, Raw):
        why = _why_not_raw(command.text)
    if why:
        raise Error(f"{command.label} cannot be executed on an interface: {why}", errno=errno.EINVAL)
    if command.payload is not None and not command.stores_payload and context.is_open:
        link_id = getattr(command, "link_id", None) or 0
        if link_id in context.pool.pumps:
            raise Error(f"{command.label}: link {link_id} belongs to a socket", errno=errno.EBUSY)


def _why_not_raw(line: bytes) -> str:
    if begins_stream(line):
        return _PASSTHROUGH
    if asks_for_payload(line):
        return _ASKS
    return next((why for pattern, why in _NEVER_RAW if pattern.match(line)), "")


@dataclass(frozen=True, slots=True)
class AffectedLinks:
    """What is open and would be ended by a command."""

    pumps: frozenset[Pump]
    server: RunningServer | None

    @classmethod
    def on(cls, context: Context, command: Command[Any]) -> AffectedLinks:
        pumps = frozenset(context.pool.pumps.values())
        if not command.ends_links and command.ends_link != ALL_LINKS:
            pumps = frozenset(pump for pump in pumps if pump.link_id == command.ends_link)
        return cls(pumps, context.server if command.ends_links or command.ends_server else None)

    def __bool__(self) -> bool:
        return bool(self.pumps) or self.server is not None

    def __str__(self) -> str:
        names = sorted(f"link {pump.link_id}" for pump in self.pumps)
        return ", ".join(names + ["the server"] * (self.server is not None))

    def without(self, ended: AffectedLinks) -> AffectedLinks:
        """What has come since."""
        return AffectedLinks(self.pumps - ended.pumps, None if self.server is ended.server else self.server)


async def close_affected(context: Context, command: Command[Any], *, force: bool) -> AffectedLinks:
    """Error(EBUSY) if the command would end what is open; with `force` that, given back, is ended first."""
    affected = AffectedLinks.on(context, command)
    if affected and not force:
        raise Error(
            f"{command.label} would end what is open ({affected}): close it first, or say force=True",
            errno=errno.EBUSY,
        )
    server = affected.server
    error = Error(f"{command.label} ended the link", errno=errno.ECONNRESET)
    for pump in affected.pumps:
        pump.fail(error)
    if server is not None:
        server.end_for(error)
    pool = context.pool
    with trio.move_on_after(LINKS_END_S):
        for pump in affected.pumps:
            await pool.wait_released(pump)
        await context.until(lambda: server is None or context.server is not server)
    return affected
