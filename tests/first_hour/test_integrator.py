"""An integrator of services: docs/tutorial-service.md, with programs that share one module."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.support import PAGE

if TYPE_CHECKING:
    from tests.first_hour.conftest import Desk

LIBRARY = """
import sys
import requests
import esp32sock
from esp32sock.shims.requests import ModuleAdapter

with esp32sock.attach():
    with requests.Session() as session:
        session.mount("http://", ModuleAdapter())
        print([len(session.get(sys.argv[1], timeout=60).content) for _ in range(7)])
"""


def test_one_module_for_several_programs(desk: Desk, board: str, url: str) -> None:
    path = str(desk.folder / "esp32.sock")
    desk.variables["ESP32SOCK_PASSWORD"] = "correct horse"
    with desk.going_on("serve", "--port", board, "--ssid", "attic", "--socket", path):
        del desk.variables["ESP32SOCK_PASSWORD"]
        desk.variables["ESP32SOCK_PORT"] = f"unix:{path}"
        assert desk.esp32sock("get", url, "-o", "page").returncode == 0
        assert (desk.folder / "page").read_bytes() == PAGE
        (desk.folder / "library.py").write_text(LIBRARY)
        done = desk.run("library.py", url)
        assert done.stdout == f"{[len(PAGE)] * 7}\n", done.stderr
        assert desk.esp32sock("doctor", "--name", "host.test").returncode == 0
        known = json.loads(desk.esp32sock("info", "--json").stdout)
        assert "2.4.0" in json.dumps(known)


def test_the_files_of_a_service(desk: Desk) -> None:
    done = desk.esp32sock("service", "unit")
    assert done.returncode == 0, done.stderr
    assert "[Service]" in done.stdout
    assert "esp32sock serve" in done.stdout
