"""Files that commands write: devices and FIFOs are written into, no foreign link is followed."""

from __future__ import annotations

import errno
import itertools
import os
import readline
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import _files
from esp32sock._files import open_private, replaced
from esp32sock.cli.at import HISTORY_LINES, history
from esp32sock.simulator.nvs import NvsFile
from esp32sock.simulator.serial.endpoints import PtyPort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that everybody may write to."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def read_fifo(path: Path) -> list[bytes]:
    os.mkfifo(path)
    read: list[bytes] = []
    threading.Thread(target=lambda: read.append(path.read_bytes()), daemon=True).start()
    return read


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_fifo_is_written_into(tmp_path: Path) -> None:
    for number, write in enumerate((replaced, open_private)):
        fifo = tmp_path / f"fifo{number}"
        read = read_fifo(fifo)
        with write(fifo) as output:
            output.write(b"data")
        while not read:
            os.sched_yield()
        assert read == [b"data"]
        assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_stays_a_device() -> None:
    before = os.stat(os.devnull)
    for write in (replaced, open_private):
        with write(os.devnull) as output:
            output.write(b"data")
    after = os.stat(os.devnull)
    assert (before.st_ino, before.st_rdev, before.st_mode) == (after.st_ino, after.st_rdev, after.st_mode)


def test_a_file_is_replaced_at_the_end_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with replaced(path) as output:
        output.write(b"new")
        output.flush()
        assert path.read_bytes() == b"old"
    assert (path.read_bytes(), mode(path)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replaced(path) as output:
            output.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# A trace may raise before the end of a `with`, where no signal handler runs: the file then closes itself.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_anywhere_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    left = 0

    def trace(frame: FrameType, what: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != _files.__file__:
            return None
        left -= what == "line"
        if left < 0:
            raise KeyboardInterrupt
        return trace

    def write_until(step: int) -> bool:
        nonlocal left
        left = step
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            with replaced(path) as output:
                output.write(b"new")
        except KeyboardInterrupt:
            return False
        finally:
            sys.settrace(before)
        return True

    for step in itertools.count():
        path.write_bytes(b"old")
        written = write_until(step)
        assert list(tmp_path.iterdir()) == [path], step
        assert path.read_bytes() in ((b"new",) if written else (b"old", b"new")), step
        if written:
            break
    assert step > 10


def test_ones_own_link_is_written_through(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"a longer text")
    link.symlink_to(target)
    for write in (replaced, open_private):
        with write(link) as output:
            output.write(b"new")
        assert link.is_symlink()
        assert target.read_bytes() == b"new"


@pytest.mark.parametrize("write", [replaced, open_private])
def test_no_link_is_followed_in_a_shared_folder(shared: Path, write: object) -> None:
    target, link = shared.parent / "target", shared / "link"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    with pytest.raises(OSError, match="link") as caught, write(link) as output:  # type: ignore[operator]
        output.write(b"gone")
    assert caught.value.errno == errno.ELOOP
    assert target.read_bytes() == b"precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_no_file_of_another_user_is_taken_in_a_shared_folder(shared: Path) -> None:
    planted = shared / "trace"
    planted.write_bytes(b"theirs")
    os.chown(planted, 12345, -1)
    with pytest.raises(PermissionError):
        open_private(planted)
    assert planted.read_bytes() == b"theirs"


@pytest.mark.parametrize("append", [False, True])
def test_a_trace_is_private_whatever_was_there(tmp_path: Path, append: bool) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with open_private(path, append=append) as output:
        output.write(b"new")
    assert (path.read_bytes(), mode(path)) == (b"oldnew" if append else b"new", 0o600)


def test_the_flash_of_a_module_is_private(tmp_path: Path) -> None:
    path = tmp_path / "nvs"
    NvsFile(path, {"password": "secret"})
    assert mode(path) == 0o600


def test_a_terminal_is_not_linked_over_another_link(tmp_path: Path) -> None:
    link = tmp_path / "esp32"
    link.symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        PtyPort(link=str(link))
    assert link.readlink() == tmp_path / "precious"
    link.unlink()
    link.symlink_to("/dev/pts/99999")
    port = PtyPort(link=str(link))
    port.close_descriptors()
    assert not link.is_symlink()


@pytest.fixture
def history_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Where the console keeps its history, after a session with these lines."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "esp32sock" / "history"

    def run(*lines: str) -> Path:
        readline.clear_history()
        with history():
            for line in lines:
                readline.add_history(line)
        readline.clear_history()
        return path

    return run


def test_the_history_of_the_console_is_private(history_of: Callable[..., Path]) -> None:
    path = history_of("AT+GMR", 'AT+CWLAP="caf\N{LATIN SMALL LETTER E WITH ACUTE}"')
    path.chmod(0o644)
    assert mode(path.parent) == 0o700
    assert history_of("AT+CIFSR") == path
    assert mode(path) == 0o600
    assert path.read_text("utf-8").splitlines() == ["AT+GMR", 'AT+CWLAP="caf\xe9"', "AT+CIFSR"]


def test_the_history_is_not_written_through_a_link_in_a_shared_folder(
    tmp_path: Path, history_of: Callable[..., Path]
) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    path = history_of("AT")
    path.unlink()
    path.parent.chmod(0o1777)
    path.symlink_to(target)
    history_of("AT+GMR")
    assert target.read_text() == "precious"


def test_the_history_is_bounded(history_of: Callable[..., Path]) -> None:
    path = history_of(*(f"AT+{number}" for number in range(HISTORY_LINES + 5)))
    lines = path.read_text().splitlines()
    assert (len(lines), lines[-1]) == (HISTORY_LINES, f"AT+{HISTORY_LINES + 4}")
