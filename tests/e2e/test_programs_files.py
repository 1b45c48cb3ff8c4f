"""ftplib against pyftpdlib over the module: passive, over TLS, and active."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.programs_support import run_program
from tests.e2e.support import HOST

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, and 3.11 warns of that
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trustme

    from tests.e2e.conftest import Background
    from tests.e2e.support import SimulatedProcess


@contextmanager
def ftp_server(folder: Path, handler_class: type[FTPHandler]) -> Iterator[int]:
    """pyftpdlib on loopback, in a thread of its own; its port."""
    users = DummyAuthorizer()
    users.add_user("user", "password", str(folder), perm="elradfmwMT")

    class Handler(handler_class):
        authorizer = users
        auth_failed_timeout = 0
        use_gmt_times = True

    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), Handler, ioloop=loop)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            loop.loop(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        ending.set()
        thread.join()
        server.close_all()


@pytest.mark.parametrize("mode", ["passive", "tls"])
def test_ftplib(
    esp32: SimulatedProcess, tmp_path: Path, authority: trustme.CA, authority_file: str, mode: str
) -> None:
    handler: type[FTPHandler] = FTPHandler
    if mode == "tls":
        certificate = tmp_path / "server.pem"
        authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(certificate)
        handler = type("Secure", (TLS_FTPHandler,), {"certfile": str(certificate)})
    folder = tmp_path / "files"
    folder.mkdir()
    with ftp_server(folder, handler) as port:
        ran = run_program(esp32, "ftp", HOST, port, mode, authority_file)
    assert ran.output.splitlines() == ["True", "['file.bin'] 1 True"]
    assert ran.links == 1 + 4
    assert (folder / "file.bin").stat().st_size > 90_000


def test_ftplib_active(background: Background, tmp_path: Path, authority_file: str) -> None:
    """The server connects to the module; the address it is told is one of the module's own network."""

    class Handler(FTPHandler):
        permit_foreign_addresses = True

        def _make_eport(self, ip: str, port: int) -> None:
            assert ip == "10.0.2.15"
            super()._make_eport(*background.reached(port))

    with ftp_server(tmp_path, Handler) as port:
        ran = run_program(background, "ftp", HOST, port, "active", authority_file)
    assert ran.output.splitlines() == ["True", "['file.bin'] 1 True"]
    assert sorted(background.links()) == [False] + [True] * 4
