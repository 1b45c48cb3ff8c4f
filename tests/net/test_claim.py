"""An exception before every single bytecode of `attach` and of what it waits with: others can attach then."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import _claim, _latch
from esp32sock._claim import Claim
from esp32sock._latch import Latch
from esp32sock.net import context, local_interface
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

attaching = import_module("esp32sock.attach")
FILES = {str(Path(module.__file__ or "")) for module in (_claim, _latch, attaching)}
PASSED_OVER = {"_collected", "<listcomp>"}


class Interrupt(BaseException):
    """What a signal handler raises."""


class Opened:
    """An interface without a module."""

    routes = Routes(())
    is_shared = False

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def interrupted(job: Callable[[], object], step: int) -> bool:
    """Run `job`, and raise before its step of this number; whether it had so many."""
    left = step

    def trace(frame: FrameType, what: str, _: object) -> Any:
        nonlocal left
        code = frame.f_code
        if what == "call":
            ours = code.co_filename in FILES and code.co_name not in PASSED_OVER
            frame.f_trace_opcodes = ours
            return trace if ours else None
        if what == "opcode":
            left -= 1
            if left == 0:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        job()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def in_a_thread(job: Callable[[], object]) -> None:
    """Run it in another thread; it must end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            job()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for a thread that is not there any more"
    if raised:
        raise raised[0]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Opened]]:
    interfaces: list[Opened] = []

    def start(options: object, routes: object, note: Callable[[Any], object]) -> Opened:
        interfaces.append(Opened())
        note(interfaces[-1])
        return interfaces[-1]

    monkeypatch.setattr(local_interface, "start_interface", start)
    monkeypatch.setattr(attaching, "_default", None)
    monkeypatch.setattr(attaching, "_open", set())
    monkeypatch.setenv(context.PORT_VARIABLE, "/dev/none")
    yield interfaces
    attaching.detach()


@pytest.mark.parametrize(
    "job", [lambda: attaching.attach("/dev/none"), attaching.default], ids=["attach", "default"]
)
def test_others_attach_after_an_interrupt_anywhere(job: Callable[[], object], opened: list[Opened]) -> None:
    step, hit = 0, True
    while hit:
        step += 1
        hit = interrupted(job, step)
        left = [one for one in opened if not one.is_closed]
        assert left == ([] if attaching._attached() is None else [attaching._attached()]), step
        attaching.detach()
        in_a_thread(lambda: attaching.attach("/dev/none"))
        attaching.detach()
        opened.clear()
    assert step > 200


def test_a_traceback_that_is_kept_keeps_nothing_claimed() -> None:
    claim = Claim()
    with pytest.raises(ZeroDivisionError) as raised:
        claim.run(lambda: 1 / 0)
    in_a_thread(lambda: claim.run(lambda: None))
    assert raised.value.__traceback__ is not None


def test_one_thread_at_a_time() -> None:
    claim, began, go_on = Claim(), Latch(), Latch()
    order: list[str] = []

    def first() -> None:
        began.set()
        assert go_on.wait(60)
        order.append("first")

    holder = threading.Thread(target=partial(claim.run, first), daemon=True)
    holder.start()
    assert began.wait(60)
    waiting = []
    for name in ("second", "third"):
        add = partial(order.append, name)
        waiting.append(threading.Thread(target=partial(claim.run, add), daemon=True))
        waiting[-1].start()
    assert not order
    go_on.set()
    for thread in (holder, *waiting):
        thread.join(60)
    assert order[0] == "first"
    assert sorted(order) == ["first", "second", "third"]


def test_a_thread_does_not_wait_for_itself() -> None:
    claim = Claim()
    assert claim.run(lambda: claim.run(lambda: "inside")) == "inside"


def test_what_ends_without_an_interface_lets_others_attach(opened: list[Opened]) -> None:
    with suppress(TypeError):
        attaching.attach("/dev/none", nonsense=1)  # type: ignore[call-arg]
    in_a_thread(lambda: attaching.attach("/dev/none"))
    with pytest.raises(RuntimeError, match="attached already"):
        attaching.attach("/dev/none")
    assert len(opened) == 1
