"""The pool that `attach` makes of several ports, or of several modules that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from esp32sock.engine.options import Options
from esp32sock.net.pools import Pool, Pooling
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from esp32sock.net.interface_api import Interface
    from esp32sock.net.routes import Direct

    class Start(Protocol):
        """Attaches one module."""

        def __call__(self, url: str | Options | None, *, module: str | None) -> Interface: ...

    Ports = str | Options | Sequence[str | Options] | None
    Names = str | Sequence[str] | None

R = TypeVar("R", bound=str | Options)

__all__ = ("Pooling", "start_pool")


def start_pool(
    ports: Ports, names: Names, direct: Direct | None, pooling: Pooling | None, start: Start
) -> Pool:
    """The pool of these ports and modules, each attached by `start`, one after the other.

    Raises what that raises, and ValueError for an empty list, or for one that names a module twice.
    """
    wanted: list[tuple[str, str | Options | None, str | None]] = [
        (port.url if isinstance(port, Options) else port, port, None) for port in _listed(ports)
    ]
    wanted += [(name, None, name) for name in _listed(names)]
    keys = [name for name, _, _ in wanted]
    twice = next((name for name in keys if keys.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is given twice")
    if not wanted:
        raise ValueError("an empty list of ports: a pool has one module at least")
    modules = {name: start(port, module=module) for name, port, module in wanted}
    first = next(iter(modules.values()))
    return Pool(modules, first.routes if direct is None else Routes(direct), pooling)


def _listed(given: R | Sequence[R] | None) -> Sequence[R]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str | Options) else given
