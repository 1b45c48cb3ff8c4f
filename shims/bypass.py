"""What sockets of other libraries may do on the host's network, beside a patch, and what is refused."""

from __future__ import annotations

import errno
import socket as stdlib
from typing import Any

from esp32sock.net import context
from esp32sock.net.error_map import os_error
from esp32sock.net.resolver import destination


def is_hosts_own(host: Any) -> bool:
    """Whether the routing table gives this destination to the host."""
    if not host or not isinstance(host, str):
        return context.is_on_host()
    if ":" in host:  # IPv6 is never the module's, but may be the way around it
        return host == "::1"
    return context.is_on_host() or context.to_host(host) or destination(host)[1]


def binds_on_host(host: Any) -> bool:
    """Whether binding to `host` uses the host's network; the wildcard address uses the module."""
    if not isinstance(host, str) or not _is_any(host):
        return is_hosts_own(host)
    return context.is_on_host()


def refuse(what: str, why: str) -> None:
    """OSError(EOPNOTSUPP) for what would bypass the module."""
    raise os_error(errno.EOPNOTSUPP, f"{what}: {why}")


def _is_any(host: str) -> bool:
    try:
        return stdlib.inet_aton(host) == bytes(4)
    except OSError:
        return host == "::"
