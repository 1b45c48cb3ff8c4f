"""Sphinx configuration: the manual is README.md, this adds the reference."""

project = "esp32sock"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
html_theme = "furo"
nitpicky = True
