"""What pyproject cannot say: build the compiled framing if possible, and install editable by a plain path."""

import os
import re
import sys
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.editable_wheel import editable_wheel

PURE = os.environ.get("ESP32SOCK_PUREPYTHON") == "1"
REQUIRE = os.environ.get("ESP32SOCK_REQUIRE_EXT") == "1"
LINETRACE = os.environ.get("ESP32SOCK_LINETRACE") == "1"

if PURE and REQUIRE:
    sys.exit("esp32sock: ESP32SOCK_PUREPYTHON=1 and ESP32SOCK_REQUIRE_EXT=1 contradict each other")


def extensions() -> list[Extension]:
    if PURE:
        print("esp32sock: pure Python build, as asked")
        return []
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        if REQUIRE:
            sys.exit("esp32sock: the compiled framing does not support free-threaded Python")
        print("esp32sock: free-threaded Python, pure Python build")
        return []
    try:
        from Cython.Build import cythonize  # noqa: PLC0415 (may be missing, and then it is not needed)
    except ImportError:
        if REQUIRE:
            raise
        print("esp32sock: no Cython, pure Python build")
        return []
    framing = Extension(
        "esp32sock._speedups._framing_c",
        ["_speedups/_framing_c.pyx"],
        extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"],
        define_macros=[("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")] if LINETRACE else [],
    )
    built = cythonize(
        [framing],
        compiler_directives={"language_level": 3, "linetrace": LINETRACE},
        build_dir=None if LINETRACE else "build/cython",
    )
    for extension in built:
        extension.optional = not REQUIRE  # cythonize drops it, and a missing compiler would be fatal
    return list(built)


class PlainPath(editable_wheel):
    """An editable install that type checkers see: they read paths in `.pth` files, and run no import hook.

    The outer folders are links inside `esp32sock`, so the folder that holds all is enough. Without the links,
    as in an sdist, setuptools installs its import hook as usual.
    """

    def finalize_options(self) -> None:
        super().finalize_options()
        if all(os.path.isdir(f"esp32sock/{folder}") for folder in ("_speedups", "shims")):
            self.package_dir = {"": "."}


def readme() -> str:
    """README.md for readers who do not have the repository: its links lead to the pages there."""
    here = Path(__file__).parent
    source = tomllib.loads((here / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Source"]
    text = (here / "README.md").read_text("utf-8")
    return re.sub(r"\]\((?!https?:|#)", f"]({source}/blob/main/", text)


setup(
    ext_modules=extensions(),
    cmdclass={"editable_wheel": PlainPath},
    long_description=readme(),
    long_description_content_type="text/markdown",
)
