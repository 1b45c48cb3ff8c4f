"""`esp32sock links`: the module's open connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock._address_text import address_text
from esp32sock.at.commands import servers, tcpip
from esp32sock.cli.common import UsageError, add_options, set_job
from esp32sock.cli.output import print_result, table

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the module's open connections and its listening port. With --close, close one or all of the "
        "connections first."
    )
    add_options(parser)
    parser.add_argument("--close", metavar="LINK", help="close this link, a number, or all")
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> None:
    links = await session.execute(tcpip.Links())
    if arguments.close is not None:
        await close(session, arguments.close, [link.link_id for link in links])
        links = await session.execute(tcpip.Links())
    server = await session.try_execute(servers.GetServer())
    rows = [
        (link.link_id, link.kind, address_text(*link.remote), link.local_port, opener(link)) for link in links
    ]

    def show() -> None:
        if rows:
            table(("LINK", "TYPE", "REMOTE", "LOCAL PORT", "OPENED BY"), rows, numbers=("LINK", "LOCAL PORT"))
        else:
            print("no links")
        if server is not None:
            print(f"listening on port {server.port} ({server.kind})")

    print_result(arguments, {"links": links, "server": server}, show)


async def close(session: ManagementSession, wanted: str, open_links: list[int]) -> None:
    """Close a link, or all; UsageError for one that is not open."""
    if wanted == "all":
        chosen = open_links
    elif wanted.isdecimal() and int(wanted) in open_links:
        chosen = [int(wanted)]
    else:
        shown = ", ".join(map(str, open_links)) or "none"
        raise UsageError(f"link {wanted!r} is not open; open links: {shown}")
    is_multiplexed = await session.execute(tcpip.Multiplexed())
    for link_id in chosen:
        await session.execute(tcpip.Close(link_id if is_multiplexed else None))


def opener(link: tcpip.LinkStatus) -> str:
    return "peer" if link.accepted else "module"
