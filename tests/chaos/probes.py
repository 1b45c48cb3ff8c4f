"""Whether the interface works: one small exchange each; the reason as text where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.engine.requests import Opening, StreamRequest
from tests.chaos.world import CLIENT_PORTS, HOST, LISTEN_PORT, PROBE_PORT, pair

if TYPE_CHECKING:
    import socket

    from esp32sock.engine.requests import StreamOpened
    from esp32sock.errors import Error
    from esp32sock.simulator import Connection
    from tests.chaos.world import World

WORDS = b"does it work?"
TRY_S = 10.0
"""One try takes no longer."""


class _Probe:
    def __init__(self, engines: socket.socket) -> None:
        self._engines = engines
        self.decided, self.over = trio.Event(), trio.Event()
        self.error: Error | None = None

    def opened(self, opened: StreamOpened) -> None:
        self.decided.set()

    def failed(self, error: Error) -> None:
        self._engines.close()
        self.error = error
        self.decided.set()
        self.over.set()

    def ended(self, error: Error | None) -> None:
        self.error = error
        self.over.set()


async def stream(world: World, timeout: float = TRY_S) -> str:
    """A connection to an echo: there, back, and closed."""
    engines, ours = pair()
    probe = _Probe(engines)
    opening = Opening(trio.CancelScope())
    request = StreamRequest(engines, (HOST, PROBE_PORT), probe, opening, timeout=timeout)
    world.engine.open_stream(request)
    try:
        await probe.decided.wait()
        if probe.error is not None:
            return f"connecting: {probe.error}"
        end = trio.socket.from_stdlib_socket(ours)
        try:
            await end.send(WORDS)
            got = b""
            with trio.move_on_after(timeout):
                while len(got) < len(WORDS) and (data := await end.recv(100)):
                    got += data
        except OSError as error:
            return f"talking: {error}"
        if got != WORDS:
            return f"{got!r} came back"
    except BaseException:
        opening.scope.cancel()
        raise
    finally:
        ours.close()
    await probe.over.wait()
    return ""


async def client(world: World, timeout: float = TRY_S) -> str:
    """A client comes to the listener and is echoed."""
    got: list[bytes] = []

    async def talk(connection: Connection) -> None:
        connection.send(WORDS)
        while data := await connection.receive():
            got.append(data)
            if b"".join(got) == WORDS:
                connection.close()

    port = CLIENT_PORTS - 1
    came = world.opened.runner.perform(lambda: world.network.connect(LISTEN_PORT, talk, from_port=port))
    if not came:
        return "nobody listens"
    with trio.move_on_after(timeout):
        while b"".join(got) != WORDS:  # noqa: ASYNC110  (the peer lives on the simulator's clock)
            await trio.sleep(0.1)
        return ""
    return f"{b''.join(got)!r} came back"
