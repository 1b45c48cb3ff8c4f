"""What `repr` shows of an interface, its sockets, its events and its queue of events."""

from __future__ import annotations

import esp32sock
import esp32sock.trio
from esp32sock import events, socket


def test_the_reprs_of_an_attached_module() -> None:
    with esp32sock.attach("sim://2.4", direct=()) as interface:
        assert repr(interface) == "<esp32sock.Interface 'sim://2.4', firmware 2.4, 10.0.2.15>"
        with interface.events() as queue:
            assert repr(queue) == "<EventQueue: 0 events, 0 dropped>"
        assert repr(queue) == "<EventQueue: 0 events, 0 dropped, ended>"
        with socket.socket() as sock:
            sock.bind(("", 8080))
            shown = repr(sock)
        assert shown.startswith("<esp32sock.socket.socket fd=")
        assert shown.endswith(", laddr=('0.0.0.0', 8080)>")
    assert repr(interface) == "<esp32sock.Interface 'sim://2.4', closed>"
    assert repr(events.UnknownText(b"x")) == "UnknownText(text=b'x')"


async def test_the_repr_of_a_trio_interface() -> None:
    async with esp32sock.trio.open_interface("sim://2.4") as interface:
        assert repr(interface).startswith("<TrioInterface over <esp32sock.Interface 'sim://2.4', ")
