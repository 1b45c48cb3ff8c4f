"""While the port is away, connections fail as on an interface that is down, with the cause, in their time."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.engine.transports import StreamPort
from esp32sock.errors import Error, PortError
from esp32sock.simulator import Settings
from tests.engine.harness import echo, network, port_lost, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated

GONE = PortError("cannot open the port '/dev/ttyUSB0': no such port", errno=errno.ENOENT)


@pytest.mark.parametrize("timeout", [3.0, None])
async def test_enetdown_with_the_cause(timeout: float | None, autojump_clock: MockClock) -> None:
    opened = 0

    def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
        async def opener(url: str, baud: int) -> Port:
            nonlocal opened
            opened += 1
            if opened > 1:
                raise GONE.clone()
            return StreamPort(simulated.stream, url)

        return opener

    async with running(Settings(), network(p7000=echo), opener_of) as harness:
        harness.engine.context.channel.lose(port_lost())
        await trio.sleep(5)
        began = trio.current_time()
        with pytest.raises(Error, match="no such port") as caught:
            await harness.connect(7000, timeout=timeout)
        assert caught.value.errno == errno.ENETDOWN
        assert trio.current_time() - began <= (timeout or 10) + 0.1
        with pytest.raises(Error, match="no such port") as caught:
            await harness.engine.resolve("example.test")
        assert caught.value.errno == errno.ENETDOWN
