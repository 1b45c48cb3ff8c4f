"""Which build of the framing runs. One question, asked once, so that every part gives the same answer.

ESP32SOCK_PUREPYTHON=1 takes the pure Python build, ESP32SOCK_REQUIRE_EXT=1 makes a missing compiled one an
ImportError; with neither, the compiled build is tried and its absence is no error.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Final


def _choose_compiled() -> bool:
    pure = os.environ.get("ESP32SOCK_PUREPYTHON") == "1"
    required = os.environ.get("ESP32SOCK_REQUIRE_EXT") == "1"
    if pure and required:
        raise ImportError(
            "esp32sock: ESP32SOCK_PUREPYTHON=1 and ESP32SOCK_REQUIRE_EXT=1 contradict each other; unset one"
        )
    if pure:
        return False
    try:
        import_module("esp32sock._speedups._framing_c")
    except ImportError:
        if required:
            raise
        return False
    return True


USE_EXTENSIONS: Final[bool] = _choose_compiled()
BUILD: Final[str] = "compiled" if USE_EXTENSIONS else "pure"
