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


class FaultyEngine:
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
    thread = EngineThread(cast("Callable[[], Engine]", FaultyEngine))
    engine = cast("FaultyEngine", thread.start())
    thread.portal.post(engine.fault.set)
    thread.stop()
    (fault,) = seen
    assert isinstance(fault, ExceptionGroup)
    assert fault.subgroup(ZeroDivisionError) is not None
    with pytest.raises(PortError) as caught:
        thread.portal.call(trio.sleep, 0).result()
    assert caught.value.errno == errno.ENETDOWN


class SlowEngine:
    """Is never set up, and closes at its end what it has open."""

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
    engine = SlowEngine()
    main = threading.get_ident()

    def interrupt(*_: object) -> None:
        assert threading.get_ident() == main
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            EngineThread(cast("Callable[[], Engine]", lambda: engine)).start()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert engine.closed
    assert not any(each.name == "esp32sock" for each in threading.enumerate())


def test_stopped_before_it_runs() -> None:
    thread = EngineThread(lambda: pytest.fail("an engine was made after the stop"))
    thread.stop()
    with pytest.raises(PortError, match="detached"):
        thread.start()
