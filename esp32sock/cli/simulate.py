"""`esp32sock simulate`: a simulated module for any program, on a pty or a TCP port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator import command_line

if TYPE_CHECKING:
    import argparse
    from argparse import _SubParsersAction


def add_to(words: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = words.add_parser(
        "simulate", help="run a simulated module", description="Run a simulated ESP32 with AT firmware."
    )
    command_line.add_arguments(parser)
    parser.set_defaults(go=command_line.run)
