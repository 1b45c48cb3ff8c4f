"""Loaded by every Python child of `esp32sock run`, before its first line: its sockets use the module, too.

This folder is first on PYTHONPATH. It is taken off `sys.path` here, and the `sitecustomize` that this file
hides is imported, so the program sees neither.
"""

from __future__ import annotations

import importlib
import os
import sys


def _import_hidden() -> None:
    """Import the `sitecustomize` of this environment, if it has one."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    own = sys.modules.pop(__name__, None)
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
        if own is not None:
            sys.modules[__name__] = own


def _begin() -> None:
    """Patch; where esp32sock is not installed, by that of the parent, which has this file in it."""
    here = os.path.dirname(os.path.abspath(__file__))
    parents = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    sys.path.append(parents)
    try:
        children = importlib.import_module("esp32sock.shims.children")
    except Exception as error:  # whatever another version of Python says of it
        print(
            f"esp32sock: {sys.executable} uses this machine's network: it cannot import esp32sock ({error})",
            file=sys.stderr,
        )
        return
    finally:
        sys.path.remove(parents)
    children.begin()


_begin()
_import_hidden()
