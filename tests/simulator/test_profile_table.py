"""docs/simulator-profiles.md says what the data says, and CMD? agrees with both."""

from pathlib import Path

import pytest

from esp32sock.simulator.profiles.generations import PROFILES
from esp32sock.simulator.profiles.markdown import markdown

PAGE = Path(__file__).parents[2] / "docs" / "simulator-profiles.md"


def test_page_is_current():
    """If this fails: python -m esp32sock.simulator.profiles.markdown docs/simulator-profiles.md"""
    assert PAGE.read_text("utf-8") == markdown()


@pytest.mark.parametrize(
    "profile", [p for p in PROFILES.values() if p.listing is not None], ids=lambda p: p.name
)
def test_what_is_simulated_is_listed(profile):
    """AT+CMD? (v4.1dev-cmd-list): every form that is simulated is one that the firmware lists."""
    for name, forms in profile.commands.items():
        if name in ("BLEINIT", "BLEADDR"):
            continue  # of the builds with Bluetooth, which 4.1dev is not
        assert set(forms) <= set(profile.listing[name]), name
