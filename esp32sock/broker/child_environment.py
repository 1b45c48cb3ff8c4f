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
from typing import TYPE_CHECKING, Any

from esp32sock.net import context
from esp32sock.net.routes import ENVIRONMENT as ROUTES_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

MARKER = "ESP32SOCK_CHILDREN"
"""Set in the environment of programs whose Python children begin patched."""
SITE = str(Path(__file__).parents[1] / "shims" / "children_site")
"""The folder with the `sitecustomize`."""
_PATH = "PYTHONPATH"
_CARRIED = (MARKER, context.PORT_VARIABLE, ROUTES_VARIABLE, _PATH)

_IGNORES_ENVIRONMENT = re.compile(r"-[bBdhiOPqRsuvVxW]*[IES]")
_DROPS_ENVIRONMENT = frozenset({"-", "-i", "--ignore-environment"})


def serve_children(url: str, environment: MutableMapping[str, str], direct: str | None = None) -> None:
    """Let the Python children that get this environment use the module of a broker, with these routes."""
    environment[MARKER] = "1"
    environment[context.PORT_VARIABLE] = url
    if direct is not None:
        environment[ROUTES_VARIABLE] = direct
    environment[_PATH] = _with_site(environment.get(_PATH))


def serve_no_children(environment: MutableMapping[str, str], before: Mapping[str, str]) -> None:
    """Take back what `serve_children` has set: `before` is the environment as it was."""
    for name in _CARRIED:
        if name in before:
            environment[name] = before[name]
        else:
            environment.pop(name, None)


def are_served() -> bool:
    """Whether Python children of this process begin patched."""
    return bool(os.environ.get(MARKER))


def unreachable(words: Sequence[str], program: int = 0) -> str:
    """Why a Python child with this command line does not begin patched; "" if it does.

    `program` is where Python stands in it; what stands before is `env` or its like.
    """
    for word in words[1:program]:
        if os.path.basename(words[0]) == "env" and word in _DROPS_ENVIRONMENT:
            return f"env {word} takes its environment away"
    for word in words[program + 1 :]:
        if not word.startswith("-") or word in ("-c", "-m", "-"):
            return ""
        if _IGNORES_ENVIRONMENT.match(word):
            return f"{word} makes it ignore PYTHONPATH"
    return ""


def carried_into(environment: Sequence[bytes] | None) -> list[bytes] | None:
    """The environment of a child, with what ours says of the module where that lacks it; None stays None."""
    if not are_served() or (environment is None and SITE in os.environ.get(_PATH, "").split(os.pathsep)):
        return None if environment is None else list(environment)
    given = os.environb if environment is None else dict(entry.partition(b"=")[::2] for entry in environment)
    return [os.fsencode(f"{name}={value}") for name, value in completed(given).items()]


def completed(environment: Mapping[Any, Any]) -> dict[str, str]:
    """The same for an environment that is a mapping, as `os.execve` takes it."""
    given = {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
    if are_served():
        given = {name: os.environ[name] for name in _CARRIED if name in os.environ} | given
        given[_PATH] = _with_site(given.get(_PATH))
    return given


def _with_site(path: str | None) -> str:
    entries = [entry for entry in (path or "").split(os.pathsep) if entry and entry != SITE]
    return os.pathsep.join([SITE, *entries])
