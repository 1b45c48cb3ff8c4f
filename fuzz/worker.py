"""One process of atheris on one target; `fuzz.libfuzzer` starts it.

    python -m fuzz.worker TARGET FOLDER UNITS [switches of libFuzzer] [corpus folders]

It counts into FOLDER as it goes and ends when so many units are through.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import atheris

from fuzz import extension
from fuzz.state import State


def load(name: str, build: Path) -> Any:
    """The target, with esp32sock instrumented and coverage in the compiled framing."""
    if name == "framing":
        library = extension.build(build, extension.COVERED, extension.COVERAGE)
        extension.use(library)
        engine = import_module("atheris.core_with_libfuzzer").__file__
        assert engine is not None
        extension.register_coverage(library, engine)
    with atheris.instrument_imports(include=["esp32sock"], enable_loader_override=False):
        return import_module(f"fuzz.targets.{name}")


def main(arguments: list[str]) -> None:
    name, folder, units, *switches = arguments
    state = State(Path(folder), "atheris")
    target = load(name, Path(folder) / "extension")

    def one_input(data: bytes) -> None:
        state.add(target.run(data))
        if state.counts.units >= int(units):
            state.save()
            os._exit(0)

    atheris.Setup([sys.argv[0], *switches], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
