"""What holds the simulator together: it stands alone, and profiles and handlers agree."""

import subprocess
import sys

import pytest

from esp32sock.simulator.firmware.commands.call import base_name
from esp32sock.simulator.firmware.commands.registry import HANDLERS
from esp32sock.simulator.profiles.generations import DEFAULT_PROFILE, ESP8266, PROFILES, profile_named


def test_imports_nothing_of_the_client():
    """A simulator that shares code with the client proves nothing about it (architecture, decision 4)."""
    code = (
        "import sys, esp32sock\n"
        "before = set(sys.modules)  # what the front door of the package brings along\n"
        "import esp32sock.simulator.protocol_sim, esp32sock.simulator.cli\n"
        "rooms = ('esp32sock.at.', 'esp32sock.engine', 'esp32sock.net')\n"
        "print([name for name in set(sys.modules) - before if name.startswith(rooms)])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


@pytest.mark.parametrize("profile", [*PROFILES.values(), *ESP8266.values()], ids=lambda profile: profile.name)
def test_every_command_of_a_profile_has_a_handler(profile):
    for name, forms in profile.commands.items():
        assert set(forms) <= set("tqse")
        for form in forms:
            assert (base_name(name), form) in HANDLERS, (name, form)


def test_every_handler_is_used_by_a_profile():
    used = {
        (base_name(name), form)
        for profile in (*PROFILES.values(), *ESP8266.values())
        for name, forms in profile.commands.items()
        for form in forms
    }
    assert set(HANDLERS) == used


def test_profiles_by_name():
    assert profile_named(DEFAULT_PROFILE).name == DEFAULT_PROFILE
    with pytest.raises(ValueError, match=r"no profile 'x'; there are doc-v1"):
        profile_named("x")
