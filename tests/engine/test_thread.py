"""The engine's own thread when the engine itself is at fault."""

from __future__ import annotations

import errno
import signal
import threading
from typing import TYPE_CHECKING, cast

import pytest
import trio

from esp32sock.engine.options import Options
from esp32sock.engine.thread import EngineThread
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.engine.engine import Engine


class FaultyModule:
    options = Options("memory")

    def __init__(self) -> None:
        self.fault = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await self.fault.wait()
        raise ZeroDivisionError("on purpose")


def test_a_fault_in_the_engine_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: seen.append(arguments.exc_value))
    engine = EngineThread(cast("Callable[[], Engine]", FaultyModule))
    module = cast("FaultyModule", engine.start())
    engine.portal.post(module.fault.set)
    engine.stop()
    (fault,) = seen
    assert isinstance(fault, ExceptionGroup)
    assert fault.subgroup(ZeroDivisionError) is not None
    with pytest.raises(PortError) as caught:
        engine.portal.call(trio.sleep, 0).result()
    assert caught.value.errno == errno.ENETDOWN


class SlowModule:
    """It is never set up; what it has open it closes at its end."""

    options = Options("memory")

    def __init__(self) -> None:
        self.closed = False

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        try:
            await trio.sleep_forever()
        finally:
            self.closed = True


def test_an_interrupt_while_it_starts_is_not_waited_with() -> None:
    module = SlowModule()
    main = threading.get_ident()

    def interrupt(*_: object) -> None:
        assert threading.get_ident() == main
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            EngineThread(cast("Callable[[], Engine]", lambda: module)).start()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert module.closed
    assert not any(thread.name == "esp32sock" for thread in threading.enumerate())


def test_stopped_before_it_runs() -> None:
    engine = EngineThread(lambda: pytest.fail("nobody wants it any more"))
    engine.stop()
    with pytest.raises(PortError, match="detached"):
        engine.start()
