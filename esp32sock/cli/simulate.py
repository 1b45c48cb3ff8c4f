"""`esp32sock simulate`: a simulated module for any program, on a pty or a TCP port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator import cli

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run a simulated ESP32 with AT firmware."
    cli.add_arguments(parser)
    parser.set_defaults(run=cli.run)
