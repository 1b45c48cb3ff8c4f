"""`uart baud` where the adapter does not play along: nothing is changed, or both sides go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esp32sock.at.commands import basic
from esp32sock.engine import baud
from esp32sock.engine.transports import DescriptorPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Done

    Run = Callable[..., Done]


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], int]], None]:
    """Have the host's side of the line set another rate than the one that is asked for."""
    set_baud = DescriptorPort.set_baud

    def behaves(rate: Callable[[int], int]) -> None:
        monkeypatch.setattr(DescriptorPort, "set_baud", lambda port, baud: set_baud(port, rate(baud)))

    return behaves


def at_most_a_million(baud: int) -> int:
    if baud > 1_000_000:
        raise ValueError(f"Failed to set custom baud rate ({baud}): [Errno 22] Invalid argument")
    return baud


def settings(in_a_pipe: Run, port: str) -> list[str]:
    done = in_a_pipe("uart", "show", "--port", port)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("store", [[], ["--store"]], ids=["", "stored"])
def test_a_rate_that_the_adapter_cannot_do(
    in_a_pipe: Run, esp32_pty: str, adapter: Callable[[Callable[[int], int]], None], store: list[str]
) -> None:
    before = settings(in_a_pipe, esp32_pty)
    adapter(at_most_a_million)
    done = in_a_pipe("uart", "baud", "2000000", *store, "--port", esp32_pty)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("esp32sock: this adapter cannot do 2000000 baud")
    assert done.stderr.endswith("nothing was changed\n")
    assert settings(in_a_pipe, esp32_pty) == before


def test_the_fastest_rate(
    in_a_pipe: Run, esp32_pty: str, adapter: Callable[[Callable[[int], int]], None]
) -> None:
    adapter(at_most_a_million)
    done = in_a_pipe("uart", "baud", "fastest", "--port", esp32_pty)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "verified: use --baud 921600 from now on, until the module restarts\n"
    assert done.stdout.startswith("now")


def test_a_rate_that_is_none(in_a_pipe: Run, esp32_pty: str) -> None:
    done = in_a_pipe("uart", "baud", "quick", "--port", esp32_pty)
    assert done.returncode == 2
    assert "invalid baud_rate value: 'quick'" in done.stderr


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator answers at once or never."""
    monkeypatch.setattr(baud, "VERIFY_TRIES", 1)
    monkeypatch.setattr(basic.SetUart, "timeout", 0.5)
    monkeypatch.setattr(basic.Test, "timeout", 0.6)


@pytest.mark.usefixtures("impatient")
def test_a_rate_at_which_the_adapter_hears_nothing(
    in_a_pipe: Run, esp32_pty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module hears us, so it can be told to go back."""
    before = settings(in_a_pipe, esp32_pty)
    receive = DescriptorPort.receive

    async def garbled(port: DescriptorPort) -> bytes:
        data = await receive(port)
        return bytes(byte | 0x80 for byte in data) if port.baudrate == 921600 else data

    monkeypatch.setattr(DescriptorPort, "receive", garbled)
    done = in_a_pipe("uart", "baud", "921600", "--store", "--port", esp32_pty)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("esp32sock: no valid answer at 921600 baud; both sides are at 115200")
    assert settings(in_a_pipe, esp32_pty) == before


@pytest.mark.usefixtures("impatient")
def test_a_rate_that_the_adapter_only_seems_to_do(
    in_a_pipe: Run, esp32_pty: str, adapter: Callable[[Callable[[int], int]], None]
) -> None:
    """Neither side hears the other: the module cannot be told, so somebody has to restart it."""
    adapter(lambda baud: 800_000 if baud == 921_600 else baud)
    done = in_a_pipe("uart", "baud", "921600", "--store", "--port", esp32_pty)
    assert (done.returncode, done.stdout) == (1, "")
    assert "restart the module, then it has its stored rate again" in done.stderr
