"""Programs of the web, unmodified, over the module."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xmlrpc.server import SimpleXMLRPCServer

import websockets.sync.server

from tests.e2e.fakes import serving
from tests.e2e.programs_support import run_program
from tests.e2e.support import HOST, PAGE, http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support import SimulatedProcess


def test_eight_http_clients_in_one_program(esp32: SimulatedProcess) -> None:
    with http_server() as port:
        ran = run_program(esp32, "web", HOST, port, NO_PROXY="*")
    who = ["http.client", "urllib", "urllib3", "requests", "httpx", "httpx async", "httpx async", "aiohttp"]
    assert ran.output.splitlines() == [f"{each} {len(PAGE)} True" for each in who]
    assert ran.links == 9  # urllib keeps no connection


def test_xmlrpc(esp32: SimulatedProcess) -> None:
    def fail() -> None:
        raise ValueError

    server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False, allow_none=True)
    server.register_multicall_functions()
    server.register_function(pow)
    server.register_function(lambda text, times: text * times, "repeat")
    server.register_function(fail)
    with serving(server) as port:
        ran = run_program(esp32, "rpc", HOST, port)
    assert ran.output.splitlines() == ["81 10000", "[32, 'abab']", "1"]
    assert 1 <= ran.links <= 4  # the server answers in HTTP/1.0


@contextmanager
def echo_of_messages() -> Iterator[int]:
    def echo(connection: websockets.sync.server.ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with websockets.sync.server.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def test_websockets(esp32: SimulatedProcess) -> None:
    with echo_of_messages() as port:
        ran = run_program(esp32, "web_sockets", HOST, port)
    assert ran.output.split() == ["1", "1000", "70000"] * 2
    assert ran.links == 2
