"""Other builds of the compiled framing, each in a folder of its own: with coverage, with sanitizers."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "_speedups" / "_framing_c.pyx"
COVERAGE = Path(__file__).with_name("coverage.c")
NAME = "esp32sock._speedups._framing_c"

COVERED = ("-O1", "-g", "-fsanitize-coverage=trace-pc")
SANITIZED = (
    "-O1",
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)


def build(folder: Path, switches: Sequence[str], *others: Path) -> Path:
    """The extension compiled by gcc with these switches; built again only if something changed.

    CalledProcessError when Cython or the compiler fails.
    """
    wanted = hashlib.sha256(repr(switches).encode())
    for path in (SOURCE, *others):
        wanted.update(path.read_bytes())
    library = folder / f"{wanted.hexdigest()[:16]}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if library.exists():
        return library
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generated = folder / "_framing_c.c"
    cython = [sys.executable, "-m", "cython", "-3", "--module-name", NAME, "-o", generated, SOURCE]
    subprocess.run(cython, check=True, cwd=ROOT)
    objects = []
    for source in (generated, *others):
        made = folder / f"{source.stem}.o"
        own = switches if source is generated else ("-O2",)
        include = f"-I{sysconfig.get_paths()['include']}"
        subprocess.run(["gcc", "-c", "-fPIC", "-fwrapv", *own, include, "-o", made, source], check=True)
        objects.append(made)
    runtime = [switch for switch in switches if switch.startswith("-fsanitize=")]
    partial = library.with_suffix(".partial")
    subprocess.run(["gcc", "-shared", *runtime, "-o", partial, *objects], check=True)
    partial.rename(library)
    return library


def use(library: Path) -> ModuleType:
    """Take this build for the compiled one; call it before anything imports the framing."""
    if NAME in sys.modules:
        raise RuntimeError(f"{NAME} is imported already")
    spec = spec_from_file_location(NAME, library, loader=ExtensionFileLoader(NAME, str(library)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


def register_coverage(library: Path, fuzzer: str) -> None:
    """Let the libFuzzer in this library watch the counters of a build with coverage."""
    counted, engine = ctypes.CDLL(str(library)), ctypes.CDLL(fuzzer)
    for name in ("fuzz_counters", "fuzz_places"):
        getattr(counted, name).restype = ctypes.c_void_p
    counters, places, slots = counted.fuzz_counters(), counted.fuzz_places(), counted.fuzz_slots()
    word_bytes = ctypes.sizeof(ctypes.c_void_p)
    for function, start, length in (
        (engine.__sanitizer_cov_8bit_counters_init, counters, slots),
        (engine.__sanitizer_cov_pcs_init, places, 2 * slots * word_bytes),
    ):
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        function(start, start + length)
