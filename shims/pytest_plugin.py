"""pytest fixtures for programs that use an ESP32: a simulated module for each test that asks for one.

    def test_fetch(esp32):                        # an attached interface over a module
    def test_my_driver(esp32_pty):                # the path of a terminal with a module behind it
    def test_links(esp32_module, esp32_pty):      # and the module itself, to look into
    def test_loss(esp32_controls, esp32):         # and what may be done to it meanwhile

    @pytest.mark.esp32(profile="2.0", faults="busy:0.1", scenario={...})

The marker takes the options of esp32sock/simulator/options.py, and `attach`, a dict of further arguments of
`esp32sock.attach`.

Loaded by every pytest of an environment that esp32sock is installed in. It imports nothing but pytest until a
test asks for a fixture, and adds no option, no report line and nothing to tests that do not. When a test
fails that has a module, the traffic of the serial line is in its report.
"""

from __future__ import annotations

import os
import socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from esp32sock.net.interface_api import Interface
    from esp32sock.simulator import BackgroundModule, Controls, Device, Settings

MARKER = "esp32(profile, faults, scenario, attach, ...): the simulated module that the esp32 fixtures give"

DIALOGUE_LINES = 200
"""The most that a report shows of a dialogue: its end (chosen by taste)."""

_dialogues = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def asked_for(node: pytest.Item) -> dict[str, Any]:
    """What the markers of a test say together; the nearest wins."""
    wanted: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("esp32"))):
        if marker.args:
            raise pytest.UsageError(f"{node.nodeid}: the marker esp32 takes keywords only")
        wanted.update(marker.kwargs)
    return wanted


def settings_for(wanted: Mapping[str, Any]) -> Settings:
    """The settings that a marker asks for. Raises ValueError naming the option, OSError for a file."""
    from esp32sock.simulator.options import settings_with  # noqa: PLC0415  (trio comes with it)

    return settings_with({name: value for name, value in wanted.items() if name != "attach"})


def _need_sockets(node: pytest.Item) -> None:
    """UsageError if all sockets are forbidden, as by pytest-socket: module and engine are woken by them."""
    try:
        for end in socket.socketpair():
            end.close()
    except RuntimeError as error:
        raise pytest.UsageError(
            f"{node.nodeid}: the esp32 fixtures need sockets of this machine, which are forbidden here "
            f"({error}); under pytest-socket's --disable-socket mark the test with pytest.mark.enable_socket"
        ) from None


@pytest.fixture
def esp32_background(request: pytest.FixtureRequest) -> Iterator[BackgroundModule]:
    """A simulated module in a thread of its own, ended with the test.

    A module that crashes is an error of the test, unless the test fails anyway.
    """
    from esp32sock.simulator import BackgroundModule, TextTrace  # noqa: PLC0415

    _need_sockets(request.node)
    lines: list[str] = []
    request.node.stash[_dialogues] = lines
    try:
        settings = settings_for(asked_for(request.node))
    except (ValueError, TypeError, OSError) as error:
        raise pytest.UsageError(f"{request.node.nodeid}: {error}") from None
    with TemporaryDirectory(prefix="esp32-") as directory:
        link = os.path.join(directory, "tty")  # it stays the same when the line is unplugged for a while
        background = BackgroundModule(settings, observers=(TextTrace(lines.append),), link=link)
        try:
            yield background
        finally:
            background.stop()


@pytest.fixture
def esp32_controls(esp32_background: BackgroundModule) -> Controls:
    """What may be done to the module of this test: pull its plug, switch its network off, give it faults."""
    return esp32_background.controls


@pytest.fixture
def esp32_module(esp32_background: BackgroundModule) -> Device:
    """The simulated module of this test, to look into: `journal` has its links, `settings` what it was made
    of.
    """
    return esp32_background.module


@pytest.fixture
def esp32_pty(esp32_background: BackgroundModule) -> str:
    """The path of a terminal with a simulated module behind it; open it at 115200 baud or the marker's."""
    return esp32_background.path


@pytest.fixture
def esp32(request: pytest.FixtureRequest, esp32_background: BackgroundModule) -> Iterator[Interface]:
    """An esp32sock interface, attached to a simulated module as the default one, for this test."""
    from esp32sock.attach import attach, detach  # noqa: PLC0415

    options: dict[str, Any] = {"baudrate": esp32_background.module.settings.baud}
    options.update(asked_for(request.node).get("attach", {}))
    interface = attach(esp32_background.path, **options)
    try:
        yield interface
    finally:
        detach()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    lines = item.stash.get(_dialogues, None)
    if lines:
        report = outcome.get_result()
        if report.failed:
            shown = lines[-DIALOGUE_LINES:]
            if len(shown) < len(lines):
                shown.insert(0, f"... {len(lines) - len(shown)} lines before")
            report.sections.append(("simulated ESP32", "\n".join(shown)))
