"""`esp32sock service`: print the files that make `serve` a service of the machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

FOLDER = Path(__file__).with_name("units")
FILES = {"unit": "esp32sock.service", "socket": "esp32sock.socket", "udev": "70-esp32sock.rules"}
INTERPRETER = "PYTHON"
"""Stands for the interpreter in the unit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a file that makes `serve` a service of the machine: the unit of systemd, its socket, or the "
        "rules of udev for the adapters of ESP32 boards. The unit starts this very Python."
    )
    parser.add_argument("file", choices=FILES, help="which of them")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    print(text_of(arguments.file), end="")
    return 0


def text_of(name: str) -> str:
    """One of FILES, for this interpreter."""
    text = (FOLDER / FILES[name]).read_text("utf-8")
    return text.replace(f"={INTERPRETER} ", f"={quoted(sys.executable)} ")


def quoted(path: str) -> str:
    """A path as a unit has it: a space would end it, a percent sign begin a specifier."""
    path = path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{path}"' if any(character in path for character in " \"\\'") else path
