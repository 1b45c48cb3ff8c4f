"""All that writes a file: each place in the code and each option of the command line is known here.

A new one fails these tests until it is held to what `test_files.py` asks of the functions of `_files`: 0600
where passwords may be, no link of another user followed, devices and FIFOs written into.
"""

from __future__ import annotations

import argparse
import ast
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from esp32sock.cli.parser import full_parser
from tests.cli.terminal import piped

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

WRITERS = {
    ("esp32sock/_files.py", "os.open"): "the functions that all others use",
    ("esp32sock/_files.py", "open"): "beside the file that it replaces, 0600",
    ("esp32sock/cli/__init__.py", "os.open"): "/dev/null, for a stream that is closed",
    ("esp32sock/cli/demo.py", "trace.open"): "in a folder of its own, 0700, which is removed",
    ("esp32sock/engine/transports.py", "os.open"): "/dev/null, to mend a descriptor",
    ("esp32sock/broker/socket_file.py", "os.open"): "a folder, to lock it",
    ("esp32sock/broker/socket_file.py", "os.chmod"): "the socket just bound; tests/broker holds its mode",
    ("esp32sock/simulator/network/host_tls.py", "tempfile.NamedTemporaryFile"): "a key for OpenSSL, 0600",
    ("esp32sock/simulator/serial/endpoints.py", "os.symlink"): "the terminal's name; never over a file",
    ("esp32sock/simulator/profiles/markdown.py", "write_text"): "a tool of this repository",
}
WRITING = {
    "os.open", "os.symlink", "os.link", "os.mkfifo", "os.mknod", "os.chmod", "os.truncate", "write_text",
    "write_bytes", "touch", "symlink_to", "tempfile.mkstemp", "tempfile.NamedTemporaryFile", "shutil.copy",
    "shutil.copyfile", "logging.FileHandler",
}  # fmt: skip

SECRET, PLAIN, READ, SOCKET = "0600", "as the umask says", "is only read", "a socket, 0600"
OPTIONS = {
    "--trace": SECRET,
    "--pcap": SECRET,
    "--journal": SECRET,
    "--nvs": SECRET,
    "--output": PLAIN,
    "--scenario": READ,
    "--certificate": READ,
    "--socket": SOCKET,
    "file": READ,  # put
    "files": READ,  # config check
}


def written() -> Iterator[tuple[str, str]]:
    """Each call in the package that may write a file: where, and of what."""
    for path in sorted([*ROOT.glob("esp32sock/**/*.py"), *ROOT.glob("shims/**/*.py")]):
        text = path.read_text("utf-8")
        if not any(word.rpartition(".")[2] in text for word in (*WRITING, "open(")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and (name := writes(node)):
                yield str(path.relative_to(ROOT)), name


def writes(call: ast.Call) -> str | None:
    name = ast.unparse(call.func)
    short = name.rpartition(".")[2]
    if short == "open" and name != "os.open":
        at = 1 if name == "open" else 0
        modes = [*call.args[at : at + 1], *(word.value for word in call.keywords if word.arg == "mode")]
        texts = [
            mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)
        ]
        is_mode = any(set(text) <= set("rwaxbt+") and set(text) & set("wax+") for text in texts)
        return name if is_mode else None
    return next((known for known in WRITING if known in (name, short)), None)


def test_each_place_that_writes_a_file_is_known() -> None:
    assert set(written()) == WRITERS.keys()


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options and arguments that name a file."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from options(each)
        elif any(word in str(action.metavar) for word in ("FILE", "PATH", "FOLDER", "DIRECTORY")):
            yield action.option_strings[-1] if action.option_strings else action.dest


def test_each_option_that_names_a_file_is_known() -> None:
    assert set(options(full_parser())) == OPTIONS.keys()


def test_a_record_is_not_written_through_a_link_in_a_shared_folder(tmp_path: Path) -> None:
    shared, target = tmp_path / "shared", tmp_path / "target"
    shared.mkdir()
    shared.chmod(0o1777)
    target.write_text("precious")
    (shared / "link").symlink_to(target)
    done = piped("info", "--port", "sim://", "--trace", str(shared / "link"))
    assert done.returncode == 1, done.stdout
    assert "link" in done.stderr
    assert target.read_text() == "precious"


def test_a_record_goes_into_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)  # a reader that is also a writer keeps it open
    try:
        done = piped("info", "--port", "sim://", "--trace", str(fifo))
        assert done.returncode == 0, done.stderr
        assert b"AT+GMR" in os.read(reader, 1 << 16)
        assert stat.S_ISFIFO(fifo.stat().st_mode)
    finally:
        os.close(reader)
