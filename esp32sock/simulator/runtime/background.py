"""A module in a thread of its own, behind a pseudo-terminal: for programs that do not use trio."""

from __future__ import annotations

import atexit
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import trio

from esp32sock._clock import UnfrozenClock
from esp32sock.simulator.device import Device
from esp32sock.simulator.network.host import HostNetwork
from esp32sock.simulator.runtime.controls import Controls
from esp32sock.simulator.runtime.runner import Runner
from esp32sock.simulator.serial.endpoints import PtyPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.device import Observer
    from esp32sock.simulator.environment.settings import Settings
    from esp32sock.simulator.faults.hooks import Faults
    from esp32sock.simulator.network.api import Network

T = TypeVar("T")

_running: list[BackgroundModule] = []
_running_lock = threading.Lock()


class BackgroundModule:
    """One module in its own thread. `path` is a terminal to open; `module` may be looked at, not called, from
    other threads, and `controls` called.

    `link`, a path, becomes a symbolic link to the terminal: it is needed where the line is unplugged for a
    while, because the terminal that comes back may be another. Raises ValueError if the settings name a
    profile that does not exist, OSError if the link cannot be made.
    """

    def __init__(
        self,
        settings: Settings,
        network: Network | None = None,
        *,
        faults: Faults | None = None,
        observers: tuple[Observer, ...] = (),
        link: str | None = None,
    ) -> None:
        self.module = Device(
            settings,
            network if network is not None else HostNetwork(aliases=dict(settings.aliases)),
            faults=faults,
            observers=observers,
        )
        self._port = PtyPort(self.module.uart.settings.baud, link=link)
        self.path = self._port.path
        self._runner: Runner | None = None
        self._started = threading.Event()
        self._scope = trio.CancelScope()
        self._token: trio.lowlevel.TrioToken | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name=f"simulated ESP32 {self.path}", daemon=True)
        self._thread.start()
        self._started.wait()
        with _running_lock:
            _running.append(self)

    @property
    def controls(self) -> Controls:
        """What may be done to the module, from any thread but its own; trio.RunFinishedError once it has
        ended.
        """
        return Controls(self.module, self._perform)

    def _perform(self, action: Callable[[], T]) -> T:
        if self._runner is None:
            raise trio.RunFinishedError
        return trio.from_thread.run_sync(self._runner.perform, action, trio_token=self._token)

    def stop(self) -> None:
        """End the thread and free every descriptor.

        Idempotent. Raises what killed the module, if something did.
        """
        with _running_lock:
            if self in _running:
                _running.remove(self)
        if self._token is not None and self._thread.is_alive():
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise RuntimeError("the simulated module crashed") from error

    def _main(self) -> None:
        try:
            trio.run(self._run, clock=UnfrozenClock())
        except BaseException as error:
            self._error = error
        finally:
            self._port.close_descriptors()
            self._started.set()

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        runner = self._runner = Runner(self.module, self._port, fine_timer=True)
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(runner.run)
                self._started.set()


def opened_modules() -> list[Device]:
    """The modules that run in the background of this process now, oldest first."""
    with _running_lock:
        return [background.module for background in _running]


@atexit.register
def _stop_all() -> None:
    while True:
        with _running_lock:
            if not _running:
                return
            background = _running[-1]
        background.stop()
