"""A host and a port as people write them: an address of IPv6 in brackets (RFC 3986, 3.2.2)."""

from __future__ import annotations


def address_text(host: object, port: int) -> str:
    """`10.0.2.2:80`, `[fec0::2]:80`."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
