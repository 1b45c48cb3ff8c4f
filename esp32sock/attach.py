"""Attaching modules: the default interface of this process, and any number of others.

`esp32sock/__init__.py` imports this file with every other one, so it is light: what brings dataclasses, the
engine and trio is imported with the first module.
"""

from __future__ import annotations

import atexit
import errno
import os
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from esp32sock._claim import Claim
from esp32sock.net import context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from esp32sock.config import AttachOptions
    from esp32sock.engine.options import Options
    from esp32sock.net.interface_api import Interface
    from esp32sock.net.pools import Pooling
    from esp32sock.net.routes import Direct

_attaching = Claim()
_default: Interface | None = None
_is_forked = False
"""Whether an interface was attached when this process was forked."""
_open: set[Interface] = set()
"""What the end of the interpreter has to close: a broker delivers what was sent by itself."""


def attach(
    url: str | Options | Sequence[str | Options] | None = None,
    *,
    module: str | Sequence[str] | None = None,
    direct: Direct | None = None,
    share: bool = False,
    pooling: Pooling | None = None,
    **options: Unpack[AttachOptions],
) -> Interface:
    """Make a module the network interface of this process; with `share`, of its Python children too.

    `url` is a serial device, `usb:SERIAL` for the adapter of that serial number, any pyserial URL or `sim://`;
    `unix:PATH` for the module of a broker (`esp32sock serve`), whose options are the broker's; "auto" for a
    broker if one runs, else the configured port, else the only ESP32 that is plugged in. `module` is one that
    a configuration file names. `direct` says what the host's own stack serves (loopback by default; `()`:
    nothing). The keyword options are those of `Options`: `baudrate` (also `baud`), `rtscts`, `ssid`,
    `password` and limits; an `Options` object in place of `url` has them all. What no argument says is taken
    from the environment (ESP32SOCK_PORT, ESP32SOCK_BAUDRATE and so on), then from the configuration files.

    Several ports, or names of modules, are a pool: each new link goes to one of them as `pooling` says, by
    default the least used, and elsewhere if that is lost (docs/pools.md). The options are those of each.

    With `share` a broker of its own has the module as long as this process and its children live: forked
    children go on using it, and Python children that are started begin patched (docs/sharing.md).

    Blocks for the probe and the set-up, at most 10 s, also where nothing answers; longer with a join, with a
    module that boots or is busy (30 s), where what answers is not understood (15 s), with `reset` (20 s), and
    on a silent line below 115200 baud (40 s: it may be in a data phase, see `fill_data_phase`). Raises
    OSError that says what is wrong and what to do, ValueError for a value out of range and for a
    configuration file that cannot be used, TypeError for an unknown option, RuntimeError if an interface is
    attached already. The interface closes at interpreter exit, with `detach()`, or, as a context manager, at
    the end of the block, once what was sent is delivered.
    """
    attach_now = partial(_attach, url, direct, options, module, share, pooling)
    return _keep(lambda opened: _attaching.run(partial(attach_now, opened)))


def detach() -> None:
    """Deliver what was sent, close every link and the port. Without an interface: nothing.

    Blocks for the delivery at most `close_s` (10 s), and 5 s for the end of the engine.
    """
    interface = _attached()
    if interface is not None:
        interface.close()


def open_interface(
    url: str | Options | Sequence[str | Options] | None = None,
    *,
    module: str | Sequence[str] | None = None,
    direct: Direct | None = None,
    pooling: Pooling | None = None,
    **options: Unpack[AttachOptions],
) -> Interface:
    """One more module, as `attach` opens it, for the code in `with interface.use()` alone.

    Any number of them, each on a port of its own. As a context manager it closes at the end of the block.
    Arguments, blocking and exceptions as with `attach`.
    """
    return _keep(partial(_start_all, url, direct, options, module, pooling))


def default() -> Interface:
    """The interface to use here: that of `using`, else the attached one, else one for the configured port.

    OSError(ENETDOWN) if there is none, EOPNOTSUPP in a child of the process that has it.
    """
    chosen = context.override()
    if chosen is not None:
        return chosen
    return _attached() or _attaching.run(_attach_configured)


def _attached() -> Interface | None:
    return None if _default is None or _default.is_closed else _default


def _keep(open_it: Callable[[list[Interface]], Interface]) -> Interface:
    """What `open_it` opens and puts into its list; if it raises, a signal handler's too, that is closed."""
    opened: list[Interface] = []
    try:
        return open_it(opened)
    except BaseException:
        for interface in opened:
            interface.close()
        raise


def _attach(
    url: str | Options | Sequence[str | Options] | None,
    direct: Direct | None,
    options: AttachOptions,
    module: str | Sequence[str] | None,
    share: bool,
    pooling: Pooling | None,
    opened: list[Interface],
) -> Interface:
    global _default
    if _attached() is not None:
        raise RuntimeError("an interface is attached already; detach() it first")
    interface = _default = _start_all(url, direct, options, module, pooling, opened, share=share)
    context.note_attached(interface, interface.routes)
    return interface


def _attach_configured() -> Interface:
    attached = _attached()
    if attached is not None:  # by another thread meanwhile
        return attached
    if _is_forked:
        raise OSError(
            errno.EOPNOTSUPP,
            "the module belongs to the process that this one was forked from: use the network there",
        )
    if not import_module("esp32sock.config").names_port():
        return context.no_default()
    return attach()


def _start_all(
    url: str | Options | Sequence[str | Options] | None,
    direct: Direct | None,
    given: AttachOptions,
    module: str | Sequence[str] | None,
    pooling: Pooling | None,
    opened: list[Interface],
    *,
    share: bool = False,
) -> Interface:
    if not isinstance(url, list | tuple) and not isinstance(module, list | tuple):
        if pooling is not None:
            raise ValueError("pooling: to be given with a list of ports or modules")
        return _start(cast("Any", url), direct, given, cast("Any", module), opened, share=share)
    if share:
        raise ValueError("share: a pool cannot be shared; start a broker with the modules (esp32sock serve)")
    one = partial(_start, direct=direct, given=given, opened=opened)
    pool: Interface = import_module("esp32sock.pooling").start_pool(url, module, direct, pooling, one)
    opened.append(pool)
    return pool


def _start(
    url: str | Options | None,
    direct: Direct | None,
    given: AttachOptions,
    module: str | None,
    opened: list[Interface],
    *,
    share: bool = False,
) -> Interface:
    options, routes = import_module("esp32sock.config").resolve(url, direct, given, module)
    if isinstance(options, str) and not share:
        broker: Interface = import_module("esp32sock.broker.client").connect(options, routes, opened.append)
        return broker
    if share:
        begin = import_module("esp32sock.broker.sharing").share
    else:
        begin = import_module("esp32sock.net.local_interface").start_interface
    interface: Interface = begin(options, routes, opened.append)
    _open.difference_update([one for one in list(_open) if one.is_closed])
    _open.add(interface)
    # Behind whatever opening the port has registered (a simulator has), so as to be called before it.
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    return interface


def _close_all() -> None:
    for interface in list(_open):
        interface.close()


def _forget_in_child() -> None:
    """The engine's thread stayed in the parent; the child has an interface only if a broker serves it."""
    global _attaching, _default, _is_forked
    _attaching = Claim()
    attached = _attached()
    if attached is not None and not attached.is_shared:
        _is_forked, _default = True, None
    _open.clear()


context.set_default_provider(default)
os.register_at_fork(after_in_child=_forget_in_child)
