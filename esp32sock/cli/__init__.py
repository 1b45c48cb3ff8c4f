"""The command line. Each command has a file of its own, listed in `registry`; none imports this one."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from esp32sock import diagnostics
from esp32sock._logging import log_to_stderr
from esp32sock.cli.exit_status import INTERRUPTED, USAGE
from esp32sock.cli.help import short_help
from esp32sock.cli.output import print_failure
from esp32sock.cli.parser import WrongArguments, parser_for
from esp32sock.cli.shared_options import level_of, ordered

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status, see `exit_status`. SystemExit for `--help` and wrong usage."""
    words = ordered(sys.argv[1:] if argv is None else argv)
    try:
        if not words:
            print(short_help())
            return 0
        chosen = next((word for word in words if not word.startswith("-")), None)
        arguments = parser_for(chosen).parse_args(words)
        log_to_stderr(level_of(arguments.verbose))
        diagnostics.install(os.environ.get(diagnostics.DUMP_VARIABLE))
        if chosen != "run":  # the streams belong to the program that it runs
            _open_missing_streams()
            _replace_unprintable()
        status: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of stdout has closed the pipe: not a failure, and nothing to print
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except WrongArguments as wrong:
        if "--json" in words:
            print_failure(wrong.message, USAGE)
        raise
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    return status


def _open_missing_streams() -> None:
    """Standard streams that the caller has closed become the null device."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _replace_unprintable() -> None:
    """A character that the terminal's encoding lacks (in a network's name) prints as `?`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
