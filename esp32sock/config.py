"""What `attach` is asked for: its arguments, and the environment where they are silent."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

from esp32sock.engine.options import Options
from esp32sock.net.context import PORT_VARIABLE
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from os import PathLike

    from esp32sock.engine.options import Receive, ResetLine
    from esp32sock.net.routes import Direct

SSID_VARIABLE = "ESP32SOCK_SSID"
PASSWORD_VARIABLE = "ESP32SOCK_PASSWORD"


class AttachOptions(TypedDict, total=False):
    """The keyword options of `attach` and `open_interface`: the fields of `Options`, and `baud`."""

    baudrate: int
    baud: int
    rtscts: bool
    ssid: str | None
    password: str
    unread_link_bytes: int
    unread_bytes: int
    close_s: float
    half_close_s: float
    server_links: int
    receive: Receive | None
    reset: ResetLine | None
    fill_data_phase: bool
    dns_cache_s: float
    heartbeat_s: float | None
    trace: str | PathLike[str] | None
    pcap: str | PathLike[str] | None


def resolve(url: str | Options | None, direct: Direct | None, given: AttachOptions) -> tuple[Options, Routes]:
    """The options and routes that arguments and environment ask for; raises ValueError and TypeError.

    Keywords count more than an `Options` object, and both more than the environment.
    """
    routes = Routes.from_environment() if direct is None else Routes(direct)
    keywords = _checked(given)
    if isinstance(url, Options):
        return replace(url, **keywords), routes
    port = url if url is not None else os.environ.get(PORT_VARIABLE)
    if not port:
        raise ValueError(f"attach() needs a port: give one, or set {PORT_VARIABLE}")
    if "ssid" not in keywords and os.environ.get(SSID_VARIABLE):
        keywords["ssid"] = os.environ[SSID_VARIABLE]
        keywords.setdefault("password", os.environ.get(PASSWORD_VARIABLE, ""))
    return Options(port, **keywords), routes


def _checked(given: AttachOptions) -> dict[str, Any]:
    """The keywords as fields of `Options`; TypeError for an unknown one, or a rate given twice."""
    keywords = cast("dict[str, Any]", dict(given))
    if "baud" in keywords:
        if "baudrate" in keywords:
            raise TypeError("attach() takes baudrate or baud, not both: they are one option")
        keywords["baudrate"] = keywords.pop("baud")
    known = {field.name for field in fields(Options)} - {"url"}
    unknown = sorted(set(keywords) - known)
    if unknown:
        raise TypeError(
            f"attach() has no option {', '.join(unknown)}; its options are {', '.join(sorted(known))}"
        )
    return keywords
