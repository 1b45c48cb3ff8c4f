"""A module for other programs: behind a pseudo-terminal or a TCP port, with the network of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.network.host import HostNetwork
from esp32sock.simulator.observers.journal import Journal
from esp32sock.simulator.observers.trace import TextTrace
from esp32sock.simulator.runtime.runner import Runner
from esp32sock.simulator.serial.endpoints import PtyPort, TcpPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.device import Observer
    from esp32sock.simulator.faults.hooks import Faults
    from esp32sock.simulator.network.api import Network
    from esp32sock.simulator.serial.endpoints import Port


async def serve(
    settings: Settings | None = None,
    *,
    pty_link: str | None = None,
    tcp: tuple[str, int] | None = None,
    network: Network | None = None,
    faults: Faults | None = None,
    trace: Callable[[str], object] | None = None,
    journal: Callable[[str], object] | None = None,
    observers: tuple[Observer, ...] = (),
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run one module until cancelled, or until a fault unplugs it for good.

    Without `tcp` it is behind a new pseudo-terminal, to which `pty_link` then points. `task_status` gets
    the place: a path, or `socket://host:port`, which pyserial opens. `trace` gets the AT dialogue and
    `journal` the links, a line at a time. Raises ValueError for settings that cannot be, OSError if the place
    cannot be had.
    """
    settings = settings if settings is not None else Settings()
    if trace is not None:
        observers = (*observers, TextTrace(trace))
    module = Device(
        settings,
        network if network is not None else HostNetwork(aliases=dict(settings.aliases)),
        faults=faults,
        observers=observers,
        journal=Journal(sink=journal),
    )
    port: Port
    if tcp is not None:
        port = tcp_port = TcpPort(*tcp)
        await _run(module, port, "socket://{}:{}".format(*tcp_port.address), task_status)
        return
    port = pty_port = PtyPort(module.uart.settings.baud, link=pty_link)
    try:
        await _run(module, port, pty_port.path, task_status)
    finally:
        port.close()


async def _run(module: Device, port: Port, place: str, task_status: trio.TaskStatus[str]) -> None:
    runner = Runner(module, port, fine_timer=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.run)
        task_status.started(place)
