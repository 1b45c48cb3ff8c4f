"""`interface.events()`: what the module says unasked, for threads."""

from __future__ import annotations

import errno
import threading

import pytest

import esp32sock
from esp32sock.at.commands import wifi
from esp32sock.at.events import WifiChanged
from esp32sock.at.urcs import Wifi
from esp32sock.errors import Error
from tests.e2e.support import HOST, http_server


@pytest.fixture
def interface():
    one = esp32sock.attach("sim://2.4")
    yield one
    esp32sock.detach()


def states(feed):
    return [event.state for event in feed if isinstance(event, WifiChanged)]


def test_events_reach_every_feed_until_it_is_closed(interface):
    with interface.events() as feed, interface.events() as other:
        interface.execute(wifi.Leave())
        for one in (feed, other):
            event = one.get(timeout_s=10)
            assert isinstance(event, WifiChanged)
            assert event.state is Wifi.DISCONNECTED
        other.close()
        interface.execute(wifi.Join("Espressif"))
        assert feed.get(timeout_s=10).state is Wifi.CONNECTED
        assert feed.get(timeout_s=10).state is Wifi.GOT_IP
        assert other.get(timeout_s=0) is None
        assert list(other) == []
        assert feed.get(timeout_s=0) is None


def test_iterating_ends_with_the_interface(interface):
    found = []
    feed = interface.events()
    thread = threading.Thread(target=lambda: found.extend(states(feed)))
    thread.start()
    interface.execute(wifi.Leave())
    esp32sock.detach()
    thread.join(20)
    assert not thread.is_alive()
    assert found == [Wifi.DISCONNECTED]


def test_what_would_end_links_is_refused_while_there_are_any_unless_told_to(interface):
    import esp32sock.socket as virtual

    with http_server() as port, virtual.create_connection((HOST, port), timeout=20) as sock:
        with pytest.raises(Error, match="link 4") as caught:
            interface.execute(wifi.Leave())
        assert caught.value.errno == errno.EBUSY
        interface.execute(wifi.Leave(), force=True)
        with pytest.raises(ConnectionResetError, match="CWQAP"):
            sock.recv(1)


def test_a_server_counts_too(interface):
    import esp32sock.socket as virtual

    with virtual.create_server(("0.0.0.0", 8080)), pytest.raises(Error, match="the server"):
        interface.execute(wifi.Leave())
    interface.execute(wifi.Mode())
