"""`esp32sock get`: download a URL through the module."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from esp32sock._files import replaced
from esp32sock.attach import detach
from esp32sock.cli.common import UsageError, add_options, attach_module, handle_errors
from esp32sock.cli.http_options import add_http, check_http, opened
from esp32sock.cli.output import print_result
from esp32sock.shims.monkey import patched

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

PIECE_BYTES = 4096
"""Bytes read at a time: a third of a second at 115200 baud, so that the bar moves; by taste."""
SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Transfer:
    """A finished download or upload."""

    url: str
    status: int
    bytes: int
    seconds: float
    file: str | None

    def __str__(self) -> str:
        rate = self.bytes / self.seconds / 1000 if self.seconds else 0.0
        return f"{self.status}: {self.bytes} bytes in {self.seconds:.1f} s, {rate:.1f} kB/s"


def _file(text: str) -> str | None:
    """A file's path, or None for stdout, which other programs call `-` too."""
    return None if text == "-" else text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Download a URL through the module, to stdout or a file."
    add_options(parser)
    parser.add_argument("url", help="http:// or https://")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=_file,
        help="write to this file (required with --json); -: stdout",
    )
    add_http(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    return handle_errors(arguments, lambda: fetch(arguments))


def fetch(arguments: argparse.Namespace) -> None:
    if arguments.json and arguments.output is None:
        raise UsageError("--json prints the result on stdout; give a file for the data with -o")
    url = checked_url(arguments)
    with over_the_module(arguments), opened(arguments, url) as answer:
        began = time.monotonic()
        total = int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        with bar(arguments, total) as advance, writer(arguments.output) as output:
            count = copy(answer, output, advance)
        seconds = time.monotonic() - began
    done = Transfer(arguments.url, answer.status, count, seconds, arguments.output)
    report(arguments, done)


def checked_url(arguments: argparse.Namespace) -> str:
    """The URL; UsageError for another kind, and for wrong options of the request."""
    url: str = arguments.url
    if not url.startswith(SCHEMES):
        raise UsageError(f"{url!r} is not an http:// or https:// URL")
    check_http(arguments)
    return url


def report(arguments: argparse.Namespace, done: Transfer) -> None:
    """Print JSON on stdout, or a line on stderr, because stdout may hold the downloaded data."""
    print_result(arguments, done, lambda: print(done, file=sys.stderr))


@contextmanager
def over_the_module(arguments: argparse.Namespace) -> Iterator[None]:
    """Sockets use the module inside the block. At its end, sent data is delivered before the port closes."""
    attach_module(arguments)
    try:
        with patched():
            yield
    finally:
        detach()


@contextmanager
def writer(path: str | None) -> Iterator[BinaryIO]:
    """Stdout, or a file that exists only after a complete download; a device or FIFO is written into."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replaced(path) as output:
        yield output


def copy(source: IO[bytes], output: BinaryIO, advance: Callable[[int], object]) -> int:
    count = 0
    while piece := source.read(PIECE_BYTES):
        output.write(piece)
        count += len(piece)
        advance(len(piece))
    return count


@contextmanager
def bar(arguments: argparse.Namespace, total: int | None) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal, unless the data goes to the terminal too; nothing elsewhere."""
    data_is_shown = getattr(arguments, "output", "") is None and sys.stdout.isatty()
    if arguments.json or data_is_shown or not sys.stderr.isatty():
        yield lambda count: None
        return
    name = PurePosixPath(urlsplit(arguments.url).path).name or arguments.url
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=total)
        yield lambda count: progress.advance(task, count)
