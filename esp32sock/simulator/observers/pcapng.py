"""An observer that writes a capture file for Wireshark: the AT dialogue, and the payloads of the links.

Two interfaces in one file. "AT" has link type USER0, and each packet is one write of the host (outbound) or
one burst of the module (inbound). "links" has raw IP packets, made up by packets.py. A file may be read while
it grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from esp32sock._pcapng import (
    INBOUND,
    LINKTYPE_RAW,
    LINKTYPE_USER0,
    OUTBOUND,
    interface,
    packet,
    section_header,
)
from esp32sock.simulator.device import Observer
from esp32sock.simulator.network.api import (
    Accepted,
    Close,
    DatagramReceived,
    Failed,
    OpenDatagram,
    Opened,
    OpenStream,
    PeerClosed,
    PeerReset,
    Received,
    Send,
    SendDatagram,
    version_of,
)
from esp32sock.simulator.observers.packets import Endpoint, Stream, udp

if TYPE_CHECKING:
    from esp32sock.simulator.network.api import Event, Request

MODULE_6 = "fec0::1201:ff:fec4:a24"
"""The module's end of an IPv6 link; the packets are made up."""

AT, LINKS = 0, 1
"""The interfaces, in the order of their blocks."""


class PcapNg(Observer):
    """Writes one section for one module. `started_at` is the Unix time of its power-on."""

    def __init__(
        self, file: BinaryIO, *, started_at: float = 0.0, address: str = "10.0.2.15", name: str = "esp32"
    ) -> None:
        self._file = file
        self._started_at = started_at
        self._address = address
        self._asked: dict[int, OpenStream | OpenDatagram] = {}
        self._streams: dict[int, Stream] = {}
        self._local_ports: dict[int, int] = {}
        file.write(
            section_header("esp32sock simulator")
            + interface(LINKTYPE_USER0, f"{name} AT")
            + interface(LINKTYPE_RAW, f"{name} links")
        )
        file.flush()

    def _write(self, number: int, now_s: float, data: bytes, direction: int) -> None:
        self._file.write(packet(number, self._started_at + now_s, data, direction))
        self._file.flush()

    def _write_all(self, now_s: float, packets: list[tuple[bool, bytes]]) -> None:
        for from_module, data in packets:
            self._write(LINKS, now_s, data, OUTBOUND if from_module else INBOUND)

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self._write(AT, now_s, data, OUTBOUND)

    def module_bytes(self, now_s: float, data: bytes) -> None:
        self._write(AT, now_s, data, INBOUND)

    def _module(self, port: int, peer: str) -> Endpoint:
        """The module's end of what it has with a peer."""
        return Endpoint(MODULE_6 if version_of(peer) == 6 else self._address, port)

    def _stream(self, local_port: int, address: str, port: int) -> Stream:
        return Stream(self._module(local_port, address), Endpoint(address, port))

    def request(self, now_s: float, request: Request) -> None:
        match request:
            case OpenStream(handle) | OpenDatagram(handle):
                self._asked[handle] = request
            case Send(handle, data):
                if handle in self._streams:
                    self._write_all(now_s, self._streams[handle].data(data, from_module=True))
            case SendDatagram(handle, data, address, port):
                source = self._module(self._local_ports.get(handle, 0), address)
                self._write(LINKS, now_s, udp(source, Endpoint(address, port), data), OUTBOUND)
            case Close(handle):
                stream = self._streams.pop(handle, None)
                self._asked.pop(handle, None)
                if stream is not None and not stream.ended:
                    end = stream.reset if request.abort else stream.closed
                    self._write_all(now_s, end(by_module=True))

    def event(self, now_s: float, event: Event) -> None:
        match event:
            case Opened(handle, address, port, local_port):
                self._local_ports[handle] = local_port
                if isinstance(self._asked.pop(handle, None), OpenStream):
                    stream = self._stream(local_port, address, port)
                    self._streams[handle] = stream
                    self._write_all(now_s, stream.opened(by_module=True))
            case Failed(handle):
                asked = self._asked.pop(handle, None)
                if isinstance(asked, OpenStream):
                    self._write_all(now_s, self._stream(0, asked.address, asked.port).refused())
            case Accepted():
                stream = self._stream(event.local_port, event.address, event.port)
                self._streams[event.handle] = stream
                self._write_all(now_s, stream.opened(by_module=False))
            case DatagramReceived(handle, data, address, port):
                target = self._module(self._local_ports.get(handle, 0), address)
                self._write(LINKS, now_s, udp(Endpoint(address, port), target, data), INBOUND)
            case Received(handle) | PeerClosed(handle) | PeerReset(handle) if handle in self._streams:
                self._from_peer(now_s, self._streams[handle], event)

    def _from_peer(self, now_s: float, stream: Stream, event: Received | PeerClosed | PeerReset) -> None:
        if isinstance(event, Received):
            self._write_all(now_s, stream.data(event.data, from_module=False))
        elif isinstance(event, PeerClosed):
            self._write_all(now_s, stream.closed(by_module=False))
        elif not stream.ended:
            self._write_all(now_s, stream.reset(by_module=False))
