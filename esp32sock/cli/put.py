"""`esp32sock put`: upload a file to a URL through the module."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

from esp32sock.cli.common import UsageError, add_options, handle_errors
from esp32sock.cli.get import PIECE_BYTES, Transfer, bar, checked_url, over_the_module, report
from esp32sock.cli.http_options import add_http, opened

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Upload a file to a URL through the module."
    add_options(parser)
    parser.add_argument("file", metavar="FILE", help="the file to upload")
    parser.add_argument("url", help="http:// or https://")
    parser.add_argument(
        "--method", choices=("PUT", "POST"), default="PUT", help="HTTP method (default: %(default)s)"
    )
    add_http(parser)
    parser.set_defaults(run=run)


class _ReportingBody(io.BytesIO):
    """A request body that calls `advance` with the size of each piece that is read."""

    def __init__(self, data: bytes, advance: Callable[[int], object]) -> None:
        super().__init__(data)
        self._advance = advance

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(PIECE_BYTES if size is None or size < 0 else min(size, PIECE_BYTES))
        self._advance(len(piece))
        return piece


def run(arguments: argparse.Namespace) -> int:
    return handle_errors(arguments, lambda: send(arguments))


def send(arguments: argparse.Namespace) -> None:
    path = Path(arguments.file)
    if not path.is_file():
        raise UsageError(f"no such file: {arguments.file!r}")
    data = path.read_bytes()
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
    url = checked_url(arguments)
    with over_the_module(arguments), bar(arguments, len(data)) as advance:
        began = time.monotonic()
        body = _ReportingBody(data, advance)
        with opened(arguments, url, data=body, headers=headers, method=arguments.method) as answer:
            answer.read()
        seconds = time.monotonic() - began
    report(arguments, Transfer(url, answer.status, len(data), seconds, arguments.file))
