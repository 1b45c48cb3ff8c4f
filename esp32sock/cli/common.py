"""What the commands share: options, a session with the module, and the exit status of an error."""

from __future__ import annotations

import re
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import trio

from esp32sock.at.commands import basic
from esp32sock.at.commands.catalogue import CATALOGUE
from esp32sock.attach import attach
from esp32sock.cli.brokered import open_brokered_session
from esp32sock.cli.exit_status import FAILED, INTERRUPTED, NO_MODULE, USAGE
from esp32sock.cli.output import print_failure, printable
from esp32sock.cli.shared_options import add_json, add_port, attach_options
from esp32sock.config import resolve
from esp32sock.engine.management import ManagementSession, open_management_session
from esp32sock.errors import CommandError, Error, PortError, flatten_group

if TYPE_CHECKING:
    import argparse
    from argparse import _SubParsersAction
    from collections.abc import AsyncIterator, Awaitable, Callable

    from esp32sock.at.commands import Command
    from esp32sock.engine.options import Options
    from esp32sock.net.interface_api import Interface

    Subparsers = _SubParsersAction[argparse.ArgumentParser]
    Job = Callable[[ManagementSession, argparse.Namespace], Awaitable[int | None]]

R = TypeVar("R")


class UsageError(Exception):
    """The command line is wrong, or a question cannot be asked."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of nearly every command."""
    add_port(parser)
    add_json(parser)


def add_subparsers(parser: argparse.ArgumentParser) -> Subparsers:
    """Give a command subcommands of its own."""
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def add_subcommand(
    commands: Subparsers, name: str, job: Job, help_: str, *, stores: bool = False
) -> argparse.ArgumentParser:
    """Add a subcommand that runs `job` with a session; `stores`: with the option --temporary."""
    parser = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
    add_options(parser)
    if stores:
        add_storing(parser)
    set_job(parser, job)
    return parser


def set_job(parser: argparse.ArgumentParser, job: Job) -> None:
    """The command runs `job` with a session once its arguments are parsed."""
    parser.set_defaults(
        run=lambda arguments: run_with_module(arguments, lambda session: job(session, arguments))
    )


def module_of(arguments: argparse.Namespace) -> Options | str:
    """The module that options, environment and files name, or the URL of a broker; ValueError without one."""
    options, _ = resolve(arguments.port, None, attach_options(arguments), arguments.module)
    return options


def port_from(arguments: argparse.Namespace) -> str:
    """The port of that module."""
    module = module_of(arguments)
    return module if isinstance(module, str) else module.url


def attach_module(arguments: argparse.Namespace) -> Interface:
    """Attach the module that options, environment and files name; raises what `attach` raises."""
    return attach(arguments.port, module=arguments.module, **attach_options(arguments))


def run_with_module(
    arguments: argparse.Namespace, job: Callable[[ManagementSession], Awaitable[int | None]]
) -> int:
    """Open the module and run `job` with the session; the exit status."""

    async def run() -> int | None:
        async with open_module(arguments) as session:
            return await job(session)

    return handle_errors(arguments, lambda: run_trio(run))


@asynccontextmanager
async def open_module(arguments: argparse.Namespace) -> AsyncIterator[ManagementSession]:
    """A session with the module that the options name.

    Raises what `open_management_session` raises, and ValueError without a port.
    """
    module = module_of(arguments)
    if isinstance(module, str):
        async with open_brokered_session(module) as brokered:
            yield brokered
        return
    async with open_management_session(
        module.url, module.baudrate, trace=module.trace, pcap=module.pcap
    ) as session:
        if module.rtscts:
            session.port.set_rtscts(True)
        yield session


def run_trio(job: Callable[[], Awaitable[R]]) -> R:
    """Run `job` under trio. KeyboardInterrupt is raised at a checkpoint of the job, never in the engine."""
    return trio.run(job, restrict_keyboard_interrupt_to_checkpoints=True)


def handle_errors(arguments: argparse.Namespace, job: Callable[[], int | None]) -> int:
    """Run `job`; an expected error is printed on stderr and becomes the exit status, any other is raised.

    With --json it is printed on stdout as JSON, too.
    """
    try:
        return job() or 0
    except BaseException as raised:
        statuses = {error: _status(error) for error in causes(raised)}
        if None in statuses.values():
            raise
        for error, status in statuses.items():
            print("" if status == INTERRUPTED else f"esp32sock: {_message(error)}", file=sys.stderr)
        exit_status = max(status for status in statuses.values() if status is not None)
        if getattr(arguments, "json", False) and exit_status != INTERRUPTED:
            print_failure("; ".join(map(_message, statuses)), exit_status)
        return exit_status


def _status(error: BaseException) -> int | None:
    match error:
        case KeyboardInterrupt():
            return INTERRUPTED
        case UsageError() | ValueError():
            return USAGE
        case PortError():
            return NO_MODULE
        case Error():
            return FAILED
        case OSError() if isinstance(error.__cause__, PortError):
            return NO_MODULE
        case BrokenPipeError():
            return None
        case OSError():
            return FAILED
    return None


def _message(error: BaseException) -> str:
    if isinstance(error, UnicodeEncodeError):  # its own message names a codec only
        return "an argument is not valid UTF-8"
    return printable(re.sub(r"^\[Errno -?\d+\] ", "", str(error)))


def causes(error: BaseException) -> list[BaseException]:
    """The errors inside nested groups and inside urllib's errors."""
    return [_reason(leaf) for leaf in flatten_group(error)]


def _reason(error: BaseException) -> BaseException:
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, OSError) else error


def add_storing(parser: argparse.ArgumentParser) -> None:
    """The option of commands that change settings."""
    parser.add_argument(
        "--temporary",
        action="store_true",
        help="keep the change until the next restart only (firmware 2.1 and later)",
    )


async def keep_settings(session: ManagementSession, arguments: argparse.Namespace) -> None:
    """Store later settings in flash, or not with --temporary, which raises UsageError before 2.1."""
    if session.firmware.has_sysstore:
        await session.execute(basic.StoreSettings(on=not arguments.temporary))
    elif arguments.temporary:
        raise UsageError(f"--temporary needs firmware 2.1 or later; this is {session.firmware}")


async def execute_if_supported(session: ManagementSession, command: Command[R]) -> R:
    """Run a command that some firmware lacks; the error then says which versions have it."""
    entries = [entry for entry in CATALOGUE if entry.command is type(command)]
    try:
        return await session.execute(command)
    except CommandError as error:
        if entries and not any(entry.exists_in(session.firmware) for entry in entries):
            since = ".".join(map(str, entries[0].since))
            raise Error(
                f"{command.label} needs firmware {since} or later; this is {session.firmware}"
            ) from error
        raise
