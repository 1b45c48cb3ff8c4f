"""The event queue: order, time, coroutines."""

import pytest

from esp32sock.simulator.kernel import Kernel, Mailbox


def test_order_is_time_then_scheduling():
    kernel, log = Kernel(), []
    for name, when in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        kernel.call_at(when, lambda name=name: log.append((name, kernel.now)))
    kernel.call_soon(lambda: log.append(("now", kernel.now)))
    kernel.run(5.0)
    assert log == [("now", 0.0), ("a", 1.0), ("b", 2.0), ("c", 2.0)]
    assert kernel.now == 5.0
    assert kernel.deadline() is None


def test_time_never_goes_back():
    kernel, log = Kernel(), []
    kernel.run(3.0)
    kernel.call_at(1.0, lambda: log.append(kernel.now))
    kernel.run(2.0)
    assert log == []
    kernel.run(3.0)
    assert log == [3.0]


def test_coroutines_sleep_and_wait():
    kernel, log = Kernel(), []
    future = kernel.future()

    async def sleeper():
        await kernel.sleep(1.5)
        future.set("done")
        future.set("too late")

    async def waiter():
        log.append((await future, kernel.now))

    kernel.spawn(waiter())
    kernel.spawn(sleeper())
    kernel.run(1.0)
    assert kernel.deadline() == 1.5
    kernel.run(9.0)
    assert log == [("done", 1.5)]


def test_cancelled_coroutine_runs_its_finally():
    kernel, log = Kernel(), []

    async def work():
        try:
            await kernel.sleep(1)
        finally:
            log.append("closed")

    process = kernel.spawn(work())
    kernel.run(0.5)
    process.cancel()
    kernel.run(9)
    assert log == ["closed"]


def test_a_bug_in_a_coroutine_comes_out():
    kernel = Kernel()

    async def work():
        raise ZeroDivisionError

    kernel.spawn(work())
    with pytest.raises(ZeroDivisionError):
        kernel.run(0)


def test_mailbox():
    kernel, log = Kernel(), []
    mailbox = Mailbox(kernel)

    async def reader():
        log.append(await mailbox.get())
        log.append((await mailbox.get_within(1.0), kernel.now))
        log.append((await mailbox.get_within(1.0), kernel.now))

    kernel.spawn(reader())
    kernel.call_at(1.0, lambda: mailbox.put("first"))
    kernel.call_at(1.5, lambda: mailbox.put("second"))
    kernel.run(9)
    assert log == ["first", ("second", 1.5), (None, 2.5)]


def test_cancelled_timer_leaves_no_deadline():
    kernel = Kernel()
    kernel.call_at(1.0, lambda: None).cancel()
    assert kernel.deadline() is None
