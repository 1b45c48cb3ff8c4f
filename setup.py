"""The one thing pyproject cannot say: build the compiled framing if we can, say so if we cannot."""

import os
import sys

from setuptools import Extension, setup

PURE = os.environ.get("ESP32SOCK_PUREPYTHON") == "1"
REQUIRE = os.environ.get("ESP32SOCK_REQUIRE_EXT") == "1"
LINETRACE = os.environ.get("ESP32SOCK_LINETRACE") == "1"

if PURE and REQUIRE:
    sys.exit("esp32sock: ESP32SOCK_PUREPYTHON=1 and ESP32SOCK_REQUIRE_EXT=1 contradict each other")


def extensions() -> list[Extension]:
    if PURE:
        print("esp32sock: pure Python build, as asked")
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


setup(ext_modules=extensions())
