"""The peers of a network in memory: the far end of a stream, and what stands for a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.environment.certificates import CA
from esp32sock.simulator.kernel import Mailbox
from esp32sock.simulator.network.api import PeerClosed, PeerReset, Received, Tls

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.kernel import Kernel, Process

RECORD_BYTES = 29
"""What a record of TLS 1.2 with AES-GCM is longer than what is in it: 5 + 8 + 16 (at-dialects 7.7)."""


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """What stands for the certificate of a peer."""

    names: tuple[str, ...] = ("host.test",)
    authority: str = CA
    not_before_s: float = 1_546_300_800.0
    not_after_s: float = 4_701_974_400.0

    def accepts(self, tls: Tls) -> bool:
        """Whether a module that is configured like this goes on with the handshake."""
        if tls.common_name is not None and tls.verify and tls.common_name not in self.names:
            return False
        valid = self.not_before_s <= tls.now_s <= self.not_after_s
        return not tls.verify or (self.authority in tls.authorities and valid)


class Connection:
    """The peer's end of one stream.

    `receive` and `sleep` are awaited on the kernel; all else is done at once.
    """

    def __init__(
        self,
        kernel: Kernel,
        deliver: Callable[[Received | PeerClosed | PeerReset], None],
        handle: int,
        address: str,
        port: int,
        window: int,
        *,
        secure: bool = False,
    ) -> None:
        self._kernel = kernel
        self._deliver = deliver
        self._overhead = RECORD_BYTES if secure else 0
        self._handle = handle
        self.address = address
        self.port = port
        self._credit = window
        self._inbox: Mailbox[bytes] = Mailbox(kernel)
        self._outbox: list[bytes] = []
        self._closing = False
        self.closed = False
        """The module has closed its end, or we have reset ours."""
        self.process: Process | None = None

    async def receive(self) -> bytes:
        """The next bytes of the module; empty once it has closed."""
        if self.closed and not len(self._inbox):
            return b""
        return await self._inbox.get()

    async def sleep(self, seconds: float) -> None:
        await self._kernel.sleep(seconds)

    def send(self, data: bytes) -> None:
        """Send to the module; what its window does not take waits."""
        self._outbox.append(data)
        self._flush()

    def close(self) -> None:
        """Send FIN behind everything sent."""
        self._closing = True
        self._flush()

    def reset(self) -> None:
        """Send RST; what waits for the window is lost."""
        if not self.closed:
            self.closed = True
            self._outbox.clear()
            self._deliver(PeerReset(self._handle))

    # From the network

    def arrived(self, data: bytes) -> None:
        self._inbox.put(data)

    def module_closed(self) -> None:
        self.closed = True
        self._outbox.clear()
        self._inbox.put(b"")

    def credit(self, count: int) -> None:
        self._credit += count
        self._flush()

    def _flush(self) -> None:
        while self._outbox and self._credit > 0 and not self.closed:
            data = self._outbox.pop(0)
            if len(data) > self._credit:
                self._outbox.insert(0, data[self._credit :])
                data = data[: self._credit]
            self._credit -= len(data)
            self._deliver(Received(self._handle, data, self._overhead))
        if self._closing and not self._outbox and not self.closed:
            self._closing = False
            self._deliver(PeerClosed(self._handle))
