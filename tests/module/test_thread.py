"""The engine's own thread when the engine itself is at fault."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, cast

import pytest
import trio

from esp32sock.errors import PortError
from esp32sock.module.options import ModuleOptions
from esp32sock.module.thread import EngineThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.module.module import Module


class FaultyModule:
    options = ModuleOptions("memory")

    def __init__(self) -> None:
        self.fault = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await self.fault.wait()
        raise ZeroDivisionError("on purpose")


def test_a_fault_in_the_engine_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: seen.append(arguments.exc_value))
    engine = EngineThread(cast("Callable[[], Module]", FaultyModule))
    module = cast("FaultyModule", engine.start())
    engine.post(module.fault.set)
    engine.stop()
    (fault,) = seen
    assert isinstance(fault, ExceptionGroup)
    assert fault.subgroup(ZeroDivisionError) is not None
    with pytest.raises(PortError) as caught:
        engine.call(trio.sleep, 0).result()
    assert caught.value.errno == errno.ENETDOWN
