"""Programs that the tests of this folder drive and that are not Python: installed if missing.

    python -m tests.programs.tools

is run by `make test-programs`. The exit status is always 0: what cannot be had is named where its test is
skipped.
"""

from __future__ import annotations

import shutil

import pytest

from tests.e2e import servers

PACKAGES = {"curl": ["curl"], "git": ["git"], "proxychains4": ["proxychains4"]}


def required(*programs: str) -> None:
    """Skip the test unless these programs are here."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed, and not to be had from the package archives: {', '.join(missing)}")


if __name__ == "__main__":
    servers.install(PACKAGES, "its tests are skipped")
