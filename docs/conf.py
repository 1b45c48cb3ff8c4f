"""Sphinx configuration; `make docs` builds the manual."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from esp32sock import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "esp32sock"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"esp32sock {__version__}"

templates_path = ["_templates"]
html_context = {"doc_versions": os.environ.get("ESP32SOCK_DOC_VERSIONS", "").split()}  # from build_site.py
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/versions.jinja",
        "sidebar/scroll-end.html",
    ]
}

myst_heading_anchors = 3

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = (
    False  # where a class is defined is private; its name and the headings are what readers use
)
python_use_unqualified_type_names = True
nitpicky = True
# Names of the standard library, of trio and of type variables: there is no network here to look them up in.
nitpick_ignore_regex = [("py:.*", r"(?!esp32sock\.).*")]
# Events that only the engine gets.
nitpick_ignore = [
    ("py:class", f"esp32sock.at.events.{name}") for name in ("CommandDone", "CommandFailed", "DataReceived")
]


def setup(app: Sphinx) -> None:
    """README.md is the first page here, and lies elsewhere for those who read the files."""
    app.connect("source-read", _link_to_first_page)


def _link_to_first_page(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = source[0].replace("](../README.md#", "](index.md#")
