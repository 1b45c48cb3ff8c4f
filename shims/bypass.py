"""What sockets that `patch()` misses may do on the host's network; how the rest is refused or named."""

from __future__ import annotations

import errno
import sys
from ipaddress import IPv6Address
from typing import Any

from esp32sock.net import context
from esp32sock.net.addresses import ANY, LOOPBACK, numeric
from esp32sock.net.error_map import os_error

_named: set[str] = set()


def is_hosts_own(host: Any) -> bool:
    """Whether the routing table gives this destination to the host. Looks nothing up.

    A name counts as it is: looking it up at the host would already go past the module. OSError if there is no
    interface and the routes do not give it to the host.
    """
    if context.is_on_host():
        return True
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("latin-1")
    if not isinstance(host, str):
        return False
    dotted = _as_ipv4(host) if ":" in host else numeric(host) or host
    return dotted is not None and context.to_host(LOOPBACK if dotted == ANY else dotted)


def binds_on_host(host: Any) -> bool:
    """Whether binding to `host` uses the host's network; the wildcard address uses the module."""
    if context.is_on_host():
        return True
    return not (isinstance(host, str) and _is_any(host)) and is_hosts_own(host)


def is_strict() -> bool:
    """Whether even loopback is the module's, as with `--direct none`: then nothing is left to the host."""
    try:
        return not (context.to_host(LOOPBACK) or context.to_host("localhost"))
    except OSError:  # no interface, and the routes do not give it to the host
        return True


def refuse(what: str, why: str) -> None:
    """OSError(EOPNOTSUPP) for what would bypass the module."""
    raise os_error(errno.EOPNOTSUPP, f"{what}: {why}")


def name_once(what: str, why: str) -> None:
    """Say on stderr, once in this process, that `what` bypasses the module."""
    if what in _named or sys.stderr is None:
        return
    _named.add(what)
    print(f"esp32sock: {what} {why}", file=sys.stderr, flush=True)


def _is_any(host: str) -> bool:
    return _as_ipv4(host) == ANY if ":" in host else numeric(host) == ANY


def _as_ipv4(host: str) -> str | None:
    """The IPv4 address that an IPv6 one stands for: loopback, any, or mapped; others stand for themselves.

    None for what is no address.
    """
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return None
    if address.is_loopback:
        return LOOPBACK
    if address.is_unspecified:
        return ANY
    return str(address.ipv4_mapped or address)
