"""A module for this process and all of its children: `attach(share=True)`, and what `esp32sock run` does."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from esp32sock import diagnostics
from esp32sock.broker import child_environment, companion
from esp32sock.net.error_map import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.broker.client import BrokerInterface
    from esp32sock.engine.options import Options
    from esp32sock.net.routes import Routes


def share(
    options: Options | str, routes: Routes, keep: Callable[[BrokerInterface], object]
) -> BrokerInterface:
    """The module of a broker, `options` being its URL, or of one that we start, for us and our children.

    `keep` is given the interface first: what follows may raise. Children are served until the interface is
    closed; a broker of ours ends with the last of them. OSError that says what is wrong, ValueError for
    routes that only this process can follow. Blocks as `attach` does.
    """
    if callable(routes.direct):
        raise ValueError("share: children cannot ask a function for their routes; give networks and names")
    if isinstance(options, str):
        interface = _connected(options, routes, keep)
    else:
        interface = _started(options, routes, keep)
    before = dict(os.environ)
    interface.call_at_close(lambda: child_environment.serve_no_children(os.environ, before))
    child_environment.serve_children(interface.url, os.environ, str(routes.direct) or "none")
    return interface


def _connected(url: str, routes: Routes, keep: Callable[[BrokerInterface], object]) -> BrokerInterface:
    interface: BrokerInterface = import_module("esp32sock.broker.client").connect(url, routes, keep)
    return interface


def _started(options: Options, routes: Routes, keep: Callable[[BrokerInterface], object]) -> BrokerInterface:
    with translated(f"attaching {options.url}"):
        starting = companion.Starting(options)
        client = import_module("esp32sock.broker.client")  # meanwhile: it takes as long as the broker's start
        broker = starting.ready()
    try:
        interface: BrokerInterface = client.connect(broker.url, routes, keep)
    except BaseException:
        broker.leave()
        raise
    interface.call_at_close(broker.leave)
    interface.call_at_close(diagnostics.pass_on(broker.pid))
    return interface
