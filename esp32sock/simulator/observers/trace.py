"""Observers that write down what a module does: the AT dialogue as text, and the journal as lines of JSON."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, TextIO

from esp32sock._escaped import shortened
from esp32sock.simulator.device import Observer
from esp32sock.simulator.network.api import Consumed, Sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.network.api import Event, Request


class TextTrace(Observer):
    """One line for each write of the host and each burst of the module: seconds, direction, length, bytes;
    and one for requests to the network and its events.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self._write(f"{now_s:12.6f} H>M {len(data):6d} {shortened(data)}")

    def module_bytes(self, now_s: float, data: bytes) -> None:
        self._write(f"{now_s:12.6f} M>H {len(data):6d} {shortened(data)}")

    def request(self, now_s: float, request: Request) -> None:
        if not isinstance(request, Consumed):
            self._write(f"{now_s:12.6f} M>N {shown(request)}")

    def event(self, now_s: float, event: Event) -> None:
        if not isinstance(event, Sent):
            self._write(f"{now_s:12.6f} N>M {shown(event)}")


def shown(message: Request | Event) -> str:
    """A message between module and network (network/api.py): its name and fields, payload by its length."""
    parts = [type(message).__name__]
    for each in fields(message):
        value = getattr(message, each.name)
        if isinstance(value, bytes):
            parts.append(f"{len(value)} bytes")
        elif value is not None and value != each.default:
            parts.append(f"{each.name}={'...' if is_dataclass(value) else value}")
    return " ".join(parts)


def line_writer(file: TextIO, label: str = "") -> Callable[[str], None]:
    """Write lines to a file so that a reader sees each at once, with a label in front."""

    def write(line: str) -> None:
        file.write(f"{label}{line}\n")
        file.flush()

    return write
