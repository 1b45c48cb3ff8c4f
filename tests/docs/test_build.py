"""The manual is built without a warning, and nothing of it is left out."""

from __future__ import annotations

import html
import re
import runpy
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock.engine.options import Options
from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    words = ("-W", "--keep-going", "-n", "-q", "-d", str(target / "doctrees"), str(source), str(target))
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(300)  # it imports and renders everything
def test_it_is_built_without_a_warning(tmp_path: Path) -> None:
    done = build(ROOT / "docs", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for page in (ROOT / "docs").glob("*.md"):
        assert (tmp_path / f"{page.stem}.html").is_file()
    reference = (tmp_path / "api.html").read_text("utf-8")
    functions = ("attach", "default", "detach", "patch", "patched", "unpatch", "using")
    for name in functions:
        assert name in esp32sock.__all__
        assert f'id="esp32sock.{name}"' in reference
    words = html.unescape(
        re.sub(r"<[^>]*>", "", reference.partition("<article")[2].partition("</article>")[0])
    )
    assert not re.findall(r"\besp32sock\.(?:engine|net|at|broker|gateway|simulator|config)\b[.\w]*", words)
    assert '"_static/' in (tmp_path / "index.html").read_text("utf-8")
    assert "goodput-up.svg" in (tmp_path / "index.html").read_text("utf-8")
    assert (tmp_path / "searchindex.js").is_file()
    assert runpy.run_path(str(ROOT / "docs" / "check_links.py"))["broken"](tmp_path) == []


def test_a_warning_fails_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text('extensions = ["myst_parser"]\n')
    (source / "index.md").write_text("# Page\n\n[nowhere](nowhere.md)\n")
    done = build(source, tmp_path / "built")
    assert done.returncode != 0
    assert "nowhere" in done.stderr


def test_every_name_of_the_front_door_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert "automodule:: esp32sock.errors\n   :members:" in text
    for name in {*esp32sock.__all__} - {"__version__"}:
        value = getattr(esp32sock, name)
        if not isinstance(value, type):
            assert f"autofunction:: esp32sock.{name}\n" in text or f"`esp32sock.{name}`" in text, name
        elif not issubclass(value, esp32sock.Error):
            assert f"autoclass:: esp32sock.{name}\n" in text, name


def test_every_adapter_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    inner = {
        "__init__", "audit", "bypass", "children", "explicit", "greenlets",
        "idle_connections", "import_hook", "monkey", "native_libraries", "pytest_plugin", "spawning", "trio",
    }  # fmt: skip
    for path in (ROOT / "shims").glob("*.py"):
        assert path.stem in inner or re.search(rf":: esp32sock\.shims\.{path.stem}\b", text)


def test_every_option_of_attach_is_in_the_manual() -> None:
    text = (ROOT / "docs" / "usage.md").read_text("utf-8")
    assert all(f"`{field.name}`" in text for field in fields(Options) if field.name != "url")
