"""`interface.events()`: what the module says unasked, for threads."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

import esp32sock
import esp32sock.trio
from esp32sock.at.commands import basic, wifi
from esp32sock.at.events import LinkClosed, LinkOpened, ModuleRestarted, WifiChanged
from esp32sock.at.urcs import Wifi
from tests.e2e.support import HOST, http_server


@pytest.fixture
def interface():
    one = esp32sock.attach("sim://2.4")
    yield one
    esp32sock.detach()


def states(queue):
    return [event.state for event in queue if isinstance(event, WifiChanged)]


def test_events_reach_every_feed_until_it_is_closed(interface):
    with interface.events() as queue, interface.events() as other:
        interface.execute(wifi.Leave())
        for one in (queue, other):
            event = one.get(timeout=10)
            assert isinstance(event, WifiChanged)
            assert event.state is Wifi.DISCONNECTED
        other.close()
        interface.execute(wifi.Join("Espressif"))
        assert queue.get(timeout=10).state is Wifi.CONNECTED
        assert queue.get(timeout=10).state is Wifi.GOT_IP
        assert other.get(timeout=0) is None
        assert list(other) == []
        assert queue.get(timeout=0) is None


def test_a_queue_that_nobody_reads_keeps_the_latest(interface):
    with interface.events(maxsize=2) as queue:
        interface.execute(wifi.Leave())
        interface.join("Espressif")
        heard = [queue.get(timeout=10) for _ in range(2)]
        assert [event.state for event in heard] == [Wifi.CONNECTED, Wifi.GOT_IP]
        assert queue.dropped == 1
        assert queue.get(timeout=0) is None
    with pytest.raises(ValueError, match="at least one"):
        interface.events(maxsize=0)


def test_links_are_told_of(interface):
    import esp32sock.socket as virtual

    with interface.events() as queue, http_server() as port:
        with virtual.create_connection((HOST, port), timeout=20):
            opened = queue.get(timeout=10)
            assert isinstance(opened, LinkOpened)
            assert not opened.accepted
        with virtual.create_connection((HOST, port), timeout=20) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while sock.recv(4096):
                pass
        closed = next(event for event in queue if isinstance(event, LinkClosed))
        assert closed.error is None


def test_restarts_are_told_of(interface):
    with interface.events() as queue:
        interface.execute(basic.Restart())
        restarted = next(event for event in queue if isinstance(event, ModuleRestarted))
        assert restarted.expected


def test_iterating_ends_with_the_interface(interface):
    found = []
    queue = interface.events()
    thread = threading.Thread(target=lambda: found.extend(states(queue)))
    thread.start()
    interface.execute(wifi.Leave())
    esp32sock.detach()
    thread.join(20)
    assert not thread.is_alive()
    assert found == [Wifi.DISCONNECTED]


# ---- trio


async def test_a_trio_program_iterates_and_cancels():
    async with esp32sock.trio.open_interface("sim://2.4") as interface:
        with interface.events() as stream:
            await interface.execute(wifi.Leave())
            with trio.move_on_after(0):
                await stream.receive()
            assert (await stream.receive()).state is Wifi.DISCONNECTED
            await interface.join("Espressif")
            states = []
            async for event in stream:
                states.append(event.state)
                if event.state is Wifi.GOT_IP:
                    break
            assert states == [Wifi.CONNECTED, Wifi.GOT_IP]
        with pytest.raises(trio.EndOfChannel):
            await stream.receive()
        assert [event async for event in stream] == []


async def test_a_stream_ends_with_the_interface():
    found = []

    async def read(stream):
        found.extend([event.state async for event in stream if isinstance(event, WifiChanged)])

    async with trio.open_nursery() as nursery, esp32sock.trio.open_interface("sim://2.4") as interface:
        nursery.start_soon(read, interface.events())
        await trio.testing.wait_all_tasks_blocked()
        await interface.execute(wifi.Leave())
    assert found == [Wifi.DISCONNECTED]
