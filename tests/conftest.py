"""What all tests share: the framing in both builds, and a header that says which one the library takes."""

from __future__ import annotations

import gc
import os
import signal
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from esp32sock._build import BUILD

if TYPE_CHECKING:
    from types import ModuleType

MODULES = {"pure": "esp32sock.at._framing_py", "compiled": "esp32sock._speedups._framing_c"}
BUILDS = ["pure"] if os.environ.get("ESP32SOCK_PUREPYTHON") == "1" else ["pure", "compiled"]

# No deadlines: the machines are shared. In CI the examples are the same each time, and so are failures.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


# A shell that runs the suite in its background has SIGINT ignored, nohup has SIGHUP, and what is started here
# inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: no collection of garbage has to look at them again."""
    gc.collect()
    gc.freeze()


# The files of who runs the tests are not theirs.
os.environ["ESP32SOCK_CONFIG"] = os.devnull


def pytest_report_header() -> str:
    return f"esp32sock: {BUILD} build; framing is tested {' and '.join(BUILDS)}"


def framing_module(build: str) -> ModuleType:
    """The framing of this build; skips where there is none, unless ESP32SOCK_REQUIRE_EXT=1 forbids it."""
    try:
        return import_module(MODULES[build])
    except ImportError as error:
        if os.environ.get("ESP32SOCK_REQUIRE_EXT") == "1":
            raise
        pytest.skip(f"no {build} framing here: {error}")


@pytest.fixture(scope="session", params=BUILDS)
def framing(request: pytest.FixtureRequest) -> ModuleType:
    """The framing module, once in each build."""
    return framing_module(request.param)


@pytest.fixture(scope="session")
def both_framings() -> tuple[ModuleType, ModuleType]:
    """The pure and the compiled framing, for tests that compare them."""
    if "compiled" not in BUILDS:
        pytest.skip("ESP32SOCK_PUREPYTHON=1 leaves nothing to compare with")
    return framing_module("pure"), framing_module("compiled")
