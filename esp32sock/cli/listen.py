"""`esp32sock listen`: accept connections on a port of the module and print the data that arrives."""

from __future__ import annotations

import json
import selectors
from typing import TYPE_CHECKING

from esp32sock import socket
from esp32sock._address_text import address_text
from esp32sock.attach import detach
from esp32sock.cli.common import UsageError, add_options, attach_module, handle_errors
from esp32sock.cli.output import printable

if TYPE_CHECKING:
    import argparse

READ_BYTES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Listen on a port of the module and print the data that clients send, until Ctrl-C. With --json, "
        "print one line of JSON for each event."
    )
    add_options(parser)
    parser.add_argument("listen_port", type=int, metavar="PORT", help="TCP port of the module")
    parser.add_argument("--echo", action="store_true", help="send received data back")
    parser.add_argument("--clients", type=int, metavar="N", help="end after N connections have closed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    return handle_errors(arguments, lambda: serve(arguments))


def serve(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.listen_port <= 65535:
        raise UsageError(f"port {arguments.listen_port} is outside 1 to 65535")
    interface = attach_module(arguments)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("0.0.0.0", arguments.listen_port))
            listener.listen()
            address = interface.status().station_ip or "0.0.0.0"
            _Clients(arguments, listener).serve(f"{address}:{arguments.listen_port}")
    finally:
        detach()


class _Clients:
    """The listener and its open connections."""

    def __init__(self, arguments: argparse.Namespace, listener: socket.socket) -> None:
        self._arguments = arguments
        self._listener = listener
        self._names: dict[socket.socket, str] = {}
        self._closed = 0

    def serve(self, own_address: str) -> None:
        self._report("listening", own_address)
        with selectors.DefaultSelector() as ready:
            ready.register(self._listener, selectors.EVENT_READ)
            try:
                while self._closed != self._arguments.clients:
                    for key, _ in ready.select():
                        if key.fileobj is self._listener:
                            self._accept(ready)
                        else:
                            self._read(ready, key.fileobj)  # type: ignore[arg-type]
            finally:
                for client in self._names:
                    client.close()

    def _accept(self, ready: selectors.BaseSelector) -> None:
        client, (host, port) = self._listener.accept()
        self._names[client] = address_text(host, port)
        ready.register(client, selectors.EVENT_READ)
        self._report("connected", self._names[client])

    def _read(self, ready: selectors.BaseSelector, client: socket.socket) -> None:
        try:
            data = client.recv(READ_BYTES)
            if data and self._arguments.echo:
                client.sendall(data)
        except OSError as error:
            data = b""
            self._report("failed", self._names[client], str(error))
        if data:
            self._report("data", self._names[client], data.decode("utf-8", "replace"))
            return
        ready.unregister(client)
        client.close()
        self._closed += 1
        self._report("closed", self._names.pop(client))

    def _report(self, event: str, address: str, text: str | None = None) -> None:
        if self._arguments.json:
            print(json.dumps({"event": event, "address": address, "text": text}), flush=True)
            return
        shown = f" {printable(text.rstrip())}" if text else ""
        print(f"{address} {event}{shown}", flush=True)
