"""What a Python child does before its first line; called by the `sitecustomize` of `children_site`."""

from __future__ import annotations

import sys

from esp32sock.broker.child_environment import are_served
from esp32sock.net import foreign_sockets
from esp32sock.shims.monkey import patch

_HELPERS = ("multiprocessing.resource_tracker",)
"""Python children that have no socket of the internet, and are quicker without us."""


def begin() -> None:
    """Patch, if the parent asked for it. The broker is called at first use."""
    if not are_served() or any(helper in word for helper in _HELPERS for word in sys.orig_argv):
        return
    foreign_sockets.find_from_now_on()
    patch()
