"""`esp32sock resolve`: look up the address of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.at.commands import tcpip
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.output import print_result

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Look up the address of a name through the module."
    add_options(parser)
    parser.add_argument("name", help="for example example.org")
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> None:
    found = await session.execute(tcpip.Resolve(arguments.name))
    data = {"name": arguments.name, "addresses": found}
    print_result(arguments, data, lambda: print(*found, sep="\n"))
