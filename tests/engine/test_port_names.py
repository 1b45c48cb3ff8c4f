"""Ports by lasting names: looked up at every opening, so that another number is no outage."""

from __future__ import annotations

import errno
import os
import pty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from esp32sock.engine.adapter import AdapterPort
from esp32sock.engine.port_names import ADAPTERS, device_of
from esp32sock.engine.transports import open_port
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CP210X, CH340 = (0x10C4, 0xEA60), (0x1A86, 0x7523)


def listed(
    device: str, serial_number: str | None, ids: tuple[int, int] = CP210X, location: str = "1-1:1.0"
) -> ListPortInfo:
    info = ListPortInfo(device)
    info.vid, info.pid = ids
    info.serial_number, info.location = serial_number, location
    info.apply_usb_info()
    return info


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[ListPortInfo]:
    """What the system lists."""
    ports: list[ListPortInfo] = []
    monkeypatch.setattr(list_ports, "comports", lambda include_links=False: list(ports))
    return ports


@contextmanager
def terminal(link: Path) -> Iterator[None]:
    """A terminal under this name."""
    ours, theirs = pty.openpty()
    link.symlink_to(os.ttyname(theirs))
    try:
        yield
    finally:
        link.unlink()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("url", ["usb:A1", "auto", "hwgrep://SER=A1", "by-id"])
async def test_another_number_is_no_outage(
    url: str, tmp_path: Path, plugged: list[ListPortInfo], caplog: pytest.LogCaptureFixture
) -> None:
    zero, one, by_id = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1", tmp_path / "by-id"
    if url == "by-id":
        url = str(by_id)
    port = AdapterPort(open_port)
    with terminal(zero):
        by_id.symlink_to(zero)
        plugged[:] = [listed(str(zero), "A1")]
        opened = await port.open(url, 115200)
        await opened.aclose()
        by_id.unlink()
    plugged.clear()
    with pytest.raises(PortError) as away:
        await port.open(url, 115200)
    assert away.value.errno in (errno.ENODEV, errno.ENOENT)
    with terminal(one), terminal(zero):
        by_id.symlink_to(one)
        plugged[:] = [listed(str(zero), "B2", CH340), listed(str(one), "A1")]
        opened = await port.open(url, 115200)
        assert opened.name in (url, str(one))
        await opened.aclose()


def test_one_port_of_an_adapter_with_several(plugged: list[ListPortInfo]) -> None:
    plugged[:] = [listed("/dev/a", "A1", location="1-1:1.0"), listed("/dev/b", "A1", location="1-1:1.1")]
    assert device_of("usb:A1#1.1") == "/dev/b"
    with pytest.raises(PortError, match=r"/dev/a \(CP210x, usb:A1, interface 1.0\), /dev/b") as several:
        device_of("usb:A1")
    assert several.value.errno == errno.ENOTUNIQ


def test_auto_takes_the_only_one(plugged: list[ListPortInfo]) -> None:
    with pytest.raises(PortError, match="check that the board is connected") as none:
        device_of("auto")
    assert none.value.errno == errno.ENODEV
    plugged.append(listed("/dev/mouse", None, (0x046D, 0xC077)))
    with pytest.raises(PortError, match="no port here"):
        device_of("auto")
    for ids in ADAPTERS:
        plugged[1:] = [listed("/dev/board", None, ids)]
        assert device_of("auto") == "/dev/board"
    plugged.append(listed("/dev/another", "A1"))
    with pytest.raises(PortError, match="several ports look like an ESP32: name one of them: /dev/another"):
        device_of("auto")


def test_other_names_are_devices() -> None:
    assert device_of("/dev/ttyUSB0") == "/dev/ttyUSB0"
    with pytest.raises(PortError, match="'A1'"):
        device_of("usb:A1")
