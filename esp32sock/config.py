"""What `attach` is asked for: its arguments, and the environment where they are silent."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

from esp32sock.broker import socket_file
from esp32sock.engine.options import Options
from esp32sock.net.context import PORT_VARIABLE
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from os import PathLike

    from esp32sock.engine.options import Receive, ResetLine
    from esp32sock.net.routes import Direct

SSID_VARIABLE = "ESP32SOCK_SSID"
PASSWORD_VARIABLE = "ESP32SOCK_PASSWORD"


BROKER_SCHEME = "unix:"
AUTO = "auto"
"""The port of those that do not care: this user's broker, else ESP32SOCK_PORT."""


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


def resolve(
    url: str | Options | None, direct: Direct | None, given: AttachOptions
) -> tuple[Options | str, Routes]:
    """The options and routes that arguments and environment ask for; raises ValueError and TypeError.

    For a broker its URL takes the place of options, which are its own: ValueError if any are given. Keywords
    count more than an `Options` object, and both more than the environment.
    """
    routes = Routes.from_environment() if direct is None else Routes(direct)
    keywords = _checked(given)
    if isinstance(url, Options):
        if url.url.startswith(BROKER_SCHEME):
            raise ValueError(f"{url.url} is a broker, which takes no Options: give its URL alone")
        return replace(url, **keywords), routes
    port = url if url is not None else os.environ.get(PORT_VARIABLE)
    if port == AUTO:
        port = _of_the_user()
    if port and port.startswith(BROKER_SCHEME):
        _refuse_for_broker(port, keywords)
        return port, routes
    if not port:
        raise ValueError(f"attach() needs a port: give one, or set {PORT_VARIABLE}")
    if "ssid" not in keywords and os.environ.get(SSID_VARIABLE):
        keywords["ssid"] = os.environ[SSID_VARIABLE]
        keywords.setdefault("password", os.environ.get(PASSWORD_VARIABLE, ""))
    return Options(port, **keywords), routes


def _refuse_for_broker(url: str, keywords: dict[str, Any]) -> None:
    """ValueError for options that a broker has set already; those that ask for the usual are no harm."""
    usual = {field.name: field.default for field in fields(Options)}
    unusual = [name for name, value in keywords.items() if value != usual[name]]
    if unusual:
        raise ValueError(f"{', '.join(unusual)}: to be given to the broker behind {url}, not here")


def broker_url(port: str) -> str | None:
    """The broker that a port means: `unix:PATH`, or "auto" where one runs; None if it means none."""
    if port == AUTO:
        port = _of_the_user() or ""
    return port if port.startswith(BROKER_SCHEME) else None


def _of_the_user() -> str | None:
    """The URL of this user's broker if one runs, else the port that the environment names."""
    path = socket_file.default_path()
    if socket_file.answers(path):
        return BROKER_SCHEME + path
    port = os.environ.get(PORT_VARIABLE)
    return None if port == AUTO else port


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
