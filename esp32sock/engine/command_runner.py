"""Commands of the user on a module that sockets use: checked against what is open, and followed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from esp32sock.at.commands import Command, Raw, basic, sleep
from esp32sock.engine import baud, command_policy, startup
from esp32sock.engine.shielded import run_shielded

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context
    from esp32sock.engine.supervisor import Supervisor
    from esp32sock.engine.wifi import Station

R = TypeVar("R")
SetsUart = basic.SetUart | basic.SetStoredUart | basic.SetLegacyUart


class CommandRunner:
    """Executes what did not come from a link: the policy first, then the command, then its consequences."""

    def __init__(self, context: Context, station: Station, supervisor: Supervisor) -> None:
        self._context = context
        self._station = station
        self._supervisor = supervisor

    async def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """As `Engine.execute` says."""
        if not isinstance(command, Command):
            wanted = "expected a command such as esp32sock.at.commands.Raw(b'AT'), not a"
            raise TypeError(f"{wanted} {type(command).__name__}")
        command_policy.reject_unsupported(self._context, command)
        if isinstance(command, SetsUart) and timeout is not None:
            raise ValueError("a change of the serial line cannot have a timeout")
        result = await self._execute_exclusive(command, timeout, force=force)
        self._station.on_command_succeeded(command)
        if isinstance(command, basic.Restore):
            self._supervisor.module_restored()
        if isinstance(command, sleep.DeepSleep):
            self._supervisor.module_sleeps(command.duration)
        return result

    async def _execute_exclusive(self, command: Command[R], timeout: float | None, *, force: bool) -> R:
        """Nothing that the command ends may come between the look and the command."""
        context = self._context
        while True:
            channel = await context.ready()
            ended = await command_policy.close_affected(context, command, force=force)
            async with channel.exclusive():
                if context.is_open and command_policy.AffectedLinks.on(context, command).without(ended):
                    continue
                if isinstance(command, SetsUart):
                    return cast("R", await self._change_line(channel, command))
                context.tls.on_command_succeeded(command)  # it may be, whatever comes back
                context.link_options.on_command_succeeded(command)
                if isinstance(command, Raw) and b"CIPDNS" in command.text.upper():
                    context.names.forget_all()
                result = await channel.execute_exclusive(command, timeout=timeout)
                if isinstance(command, sleep.SetSleep):
                    startup.note_sleep(channel, command.mode)
                return result

    async def _change_line(self, channel: CommandChannel, command: SetsUart) -> None:
        """Never half-way: the two ends would not understand each other."""
        store = not isinstance(command, basic.SetUart)
        with self._supervisor.line_change(channel, command.settings, store=store):
            await run_shielded(lambda: baud.change(channel, command.settings, store=store))
