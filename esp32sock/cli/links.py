"""`esp32sock links`: the module's open connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.at.commands import servers, tcpip
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.output import print_result, table

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the module's open connections and its listening port. No connection is changed."
    )
    add_options(parser)
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> None:
    links = await session.execute(tcpip.Links())
    server = await session.try_execute(servers.GetServer())
    rows = [
        (link.link_id, link.kind, f"{link.remote[0]}:{link.remote[1]}", link.local_port, opener(link))
        for link in links
    ]

    def show() -> None:
        if rows:
            table(("LINK", "TYPE", "REMOTE", "LOCAL PORT", "OPENED BY"), rows, numbers=("LINK", "LOCAL PORT"))
        else:
            print("no links")
        if server is not None:
            print(f"listening on port {server.port} ({server.kind})")

    print_result(arguments, {"links": links, "server": server}, show)


def opener(link: tcpip.LinkStatus) -> str:
    return "peer" if link.accepted else "module"
