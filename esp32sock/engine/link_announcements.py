"""What a module said of a link when it came up, where that is as much as its list of links would say.

`+LINK_CONN` (SYSMSG bit 1, from 1.2 on) comes within the exchange that opens a link, so that nothing
more needs to be asked. Its kind, side and port are evidence, too: what does not fit the command is not
believed.
Source: at-dialects 7.4.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from esp32sock.at.commands.tcpip import LinkStatus
from esp32sock.at.kinds import without_family

if TYPE_CHECKING:
    from esp32sock.at.links import Links
    from esp32sock.engine.requests import Address


def announced_link(links: Links, link_id: int, kind: str, remote: Address | None = None) -> LinkStatus | None:
    """The open link as the module announced it; None if it said less, or what cannot be.

    `remote` is where a link of our own leads to; None for one that the server accepted.
    """
    shown = links[link_id].shown
    if shown is None or shown.remote is None or shown.local_port is None or shown.kind is None:
        return None
    if without_family(shown.kind) != kind:
        return None
    accepted = remote is None
    if shown.accepted is not accepted or (remote is not None and shown.remote[1] != remote[1]):
        return None
    host, port = shown.remote
    return LinkStatus(link_id, kind, (ip_address(host), port), shown.local_port, accepted)
