"""A pool of two simulated modules, one of which is unplugged for a while."""

from __future__ import annotations

import socket as host
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Settings
from esp32sock.simulator.network.host import HostNetwork

if TYPE_CHECKING:
    from pathlib import Path

PORT = 8080


def accept_on(network: HostNetwork, listener: socket.socket) -> None:
    """A caller of this module is accepted and served."""
    while PORT not in network.served:  # the other module was first, and its answer is enough to go on
        threading.Event().wait(0.02)
    address = network.address, network.served[PORT]
    with closing(host.create_connection(address, timeout=30)) as caller, listener.accept()[0] as accepted:
        accepted.sendall(b"x")
        assert caller.recv(1) == b"x"


def test_a_module_is_unplugged_and_comes_back_without_a_hand(tmp_path: Path) -> None:
    networks = [HostNetwork(), HostNetwork()]
    ports = [str(tmp_path / f"tty{n}") for n in range(2)]
    with ExitStack() as stack:
        modules = [
            BackgroundModule(Settings(profile="2.4"), network, link=port)
            for network, port in zip(networks, ports, strict=True)
        ]
        for module in modules:
            stack.callback(module.stop)
        server = stack.enter_context(host.create_server(("127.0.0.1", 0)))
        pool = stack.enter_context(esp32sock.attach(ports, direct=()))
        listener = stack.enter_context(socket.create_server(("", PORT)))
        listener.settimeout(30)
        accept_on(networks[1], listener)
        modules[0].controls.unplug(1.0)
        for _ in range(6):
            with socket.create_connection(server.getsockname(), timeout=30):
                server.accept()[0].close()
        accept_on(networks[1], listener)
        with pool.module("tty0").events() as events:
            while not pool.module("tty0").is_ready:
                events.get(0.05)
        with socket.socket() as sock:
            sock.settimeout(30)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tty0")
            sock.connect(server.getsockname())
            server.accept()[0].close()
