"""The children of a program whose module a broker has: Python children begin with a patch, before their code.

Theory of operation. The environment names the broker and puts a folder with a `sitecustomize` on PYTHONPATH,
so that `subprocess`, `multiprocessing` in every start method and `os.exec*` reach every Python that looks at
its environment. Nothing is installed. A child that does not look (`-I`, `-E`, `-S`) and one that is given
another environment are named; a child that only lacks our variables gets them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from esp32sock.net import context
from esp32sock.net.routes import ENVIRONMENT as ROUTES_VARIABLE

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

MARKER = "ESP32SOCK_CHILDREN"
"""Set in the environment of programs whose Python children begin patched."""
SITE = str(Path(__file__).with_name("children_site"))
_PATH = "PYTHONPATH"
_CARRIED = (MARKER, context.PORT_VARIABLE, ROUTES_VARIABLE, _PATH)

_IGNORES_ENVIRONMENT = re.compile(r"-[bBdhiOPqRsuvVxW]*[IES]")


def serve_children(url: str, environment: MutableMapping[str, str], direct: str | None = None) -> None:
    """Let the Python children that get this environment use the module of a broker."""
    environment[MARKER] = "1"
    environment[context.PORT_VARIABLE] = url
    if direct is not None:
        environment[ROUTES_VARIABLE] = direct
    environment[_PATH] = _with_site(environment.get(_PATH))


def are_served() -> bool:
    """Whether Python children of this process begin patched."""
    return bool(os.environ.get(MARKER))


def unreachable(words: Sequence[str]) -> str:
    """Why a Python child with this command line does not begin patched; "" if it does."""
    for word in words[1:]:
        if not word.startswith("-") or word in ("-c", "-m", "-"):
            return ""
        if _IGNORES_ENVIRONMENT.match(word):
            return f"{word} makes it ignore PYTHONPATH"
    return ""


def carried_into(environment: Sequence[bytes] | None) -> list[bytes] | None:
    """The environment of a child, with what ours says of the module where that lacks it."""
    if environment is None or not are_served():
        return None if environment is None else list(environment)
    given = dict(entry.partition(b"=")[::2] for entry in environment)
    for name in _CARRIED:
        if name in os.environ:
            given.setdefault(os.fsencode(name), os.fsencode(os.environ[name]))
    given[os.fsencode(_PATH)] = os.fsencode(_with_site(os.fsdecode(given.get(os.fsencode(_PATH), b""))))
    return [name + b"=" + value for name, value in given.items()]


def _with_site(path: str | None) -> str:
    entries = [entry for entry in (path or "").split(os.pathsep) if entry and entry != SITE]
    return os.pathsep.join([SITE, *entries])
