"""The types of links, as CIPSTART takes and the lists of links show them (at-dialects 7.1, 7.14)."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address

_V6 = "v6"


def kind_for(kind: str, host: str, *, ipv6: bool = False) -> str:
    """`TCP`, `UDP` or `SSL` for a peer: `TCPv6` and its like for an IPv6 address, or a name with `ipv6`."""
    return kind + _V6 if ipv6 or _is_ipv6(host) else kind


def without_family(kind: str) -> str:
    """`TCP`, `UDP` or `SSL`, over whichever network."""
    return kind.removesuffix(_V6)


def _is_ipv6(host: str) -> bool:
    if ":" not in host:
        return False
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True
