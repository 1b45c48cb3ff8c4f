"""Why a link ends before its application and its peer are done: the errors that its socket gets."""

from __future__ import annotations

import errno

from esp32sock.errors import Error


def abandoned() -> Error:
    """Its application gave it up."""
    return Error("the link was given up", errno=errno.ECONNABORTED)


def detached() -> Error:
    """Its interface closes."""
    return Error("the interface was detached", errno=errno.ENETDOWN)


def unsent(count: int) -> Error:
    """Its peer closed before all bytes of the application were sent."""
    return Error(f"the peer closed before the last {count} bytes were sent", errno=errno.ECONNRESET)
