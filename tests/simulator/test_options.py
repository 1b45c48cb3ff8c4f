"""One table of options: the command line, the URL and the pytest marker take the same names and values."""

import argparse
from pathlib import Path
from urllib.parse import quote

import pytest

from esp32sock.shims.pytest_plugin import settings_for
from esp32sock.simulator import OBSERVED_TIMING, AccessPoint, Scenario, Settings
from esp32sock.simulator.cli import add_arguments
from esp32sock.simulator.cli import settings_of as settings_of_arguments
from esp32sock.simulator.environment.certificates import CA
from esp32sock.simulator.options import BY_NAME, OPTIONS, option_table, settings_with
from esp32sock.simulator.protocol_sim import settings_of as settings_of_url

SCENARIO = '[[access_point]]\nssid = "attic"\n'


def in_memory(tmp_path):
    """For each option: its text, the value of the marker, and the settings that both mean."""
    scenario, ca = tmp_path / "scenario.toml", tmp_path / "ca.pem"
    scenario.write_text(SCENARIO)
    ca.write_text(CA)
    points = (AccessPoint("attic"),)
    slots = (("client_ca.0", CA), ("client_cert.1", ""))
    return {
        "profile": ("2.0", "2.0", Settings(profile="2.0")),
        "scenario": (str(scenario), Path(scenario), Settings(access_points=points)),
        "paced": ("1", True, Settings(paced=True)),
        "baud": ("9600", 9600, Settings(baud=9600)),
        "latency_ms": ("4.5", 4.5, Settings(latency_ms=4.5)),
        "seed": ("7", 7, Settings(seed=7)),
        "joined": ("0", False, Settings(joined=False)),
        "cold": ("1", True, Settings(cold=True)),
        "window": ("2880", 2880, Settings(window=2880)),
        "timing": ("observed", OBSERVED_TIMING, Settings(timing=OBSERVED_TIMING)),
        "faults": ("busy@3", "busy@3", Settings(faults="busy@3")),
        "nvs": ("flash", Path("flash"), Settings(nvs="flash")),
        "certificate": (
            [f"client_ca={ca}", "client_cert.1="],
            {"client_ca": CA, "client_cert.1": ""},
            Settings(certificates=slots),
        ),
        "boot_noise": ("1", True, Settings(boot_noise=True)),
    }


def from_arguments(name, texts):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flag = "--" + name.replace("_", "-")
    if BY_NAME[name].metavar:
        words = [word for text in texts for word in (flag, text)]
    else:
        words = [flag if texts == ["1"] else f"--no-{flag[2:]}"]
    return settings_of_arguments(parser.parse_args(words))


def from_url(name, texts):
    return settings_of_url("sim://?" + "&".join(f"{name}={quote(text)}" for text in texts))


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_an_option_means_the_same_everywhere(tmp_path, name):
    examples = in_memory(tmp_path)
    assert set(examples) == set(BY_NAME)
    text, value, expected = examples[name]
    if name == "scenario":
        expected = Scenario.parse(SCENARIO).around(Settings())
    texts = text if isinstance(text, list) else [text]
    assert expected != Settings()
    assert from_arguments(name, texts) == expected
    assert from_url(name, texts) == expected
    assert settings_for({name: value, "attach": {"rtscts": True}}) == expected


def test_the_command_line_has_no_option_of_its_own_for_settings():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    others = {"help", "places", "trace", "pcap", "journal"}
    assert {action.dest for action in parser._actions} - others == set(BY_NAME)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"nosuch": 1}, "no option 'nosuch'; there are profile, "),
        ({"paced": 2}, "option paced: 2 is neither 0 nor 1"),
        ({"baud": True}, "option baud: True is not a whole number"),
        ({"baud": "0"}, "option baud: '0' is less than 1"),
        ({"seed": "x"}, "option seed: invalid literal"),
        ({"latency_ms": "inf"}, "option latency_ms: 'inf' is not a delay"),
        ({"latency_ms": None}, "option latency_ms: None is not a number"),
        ({"timing": "slow"}, "option timing: 'slow' is none of short, observed"),
        ({"nvs": 5}, "option nvs: 5 is not a path"),
        ({"faults": 5}, "option faults: 5 is not text"),
        ({"certificate": "client_ca"}, "option certificate: 'client_ca' is not SLOT=FILE"),
        ({"certificate": "nosuch=x"}, "option certificate: no certificate slot 'nosuch'"),
        ({"scenario": {"x": 1}}, "option scenario: no key 'x'"),
    ],
)
def test_what_cannot_be_read(chosen, message):
    with pytest.raises(ValueError, match="option") as error:
        settings_with(chosen)
    assert message in str(error.value)


def test_certificates_are_added_to_those_of_the_scenario():
    scenario = Scenario.of({"certificates": {"client_ca.0": CA}})
    settings = settings_with({"certificate": {"client_cert.1": ""}, "scenario": scenario})
    assert settings.certificates == (("client_ca.0", CA), ("client_cert.1", ""))


def test_the_manual_has_the_table():
    manual = Path(__file__).parents[2] / "docs" / "testing-with-the-simulator.md"
    assert option_table() in manual.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baud", "5000001"),
        ("baud", "9" * 400),
        ("latency_ms", "1e18"),
        ("latency_ms", 60_001),
        ("seed", "9" * 30),
        ("window", "1" + "0" * 12),
        ("faults", "wifi-storm=1e18"),
        ("faults", "stall=1e9"),
        ("scenario", {"name": {"slow.test": {"address": "10.0.2.2", "delay_s": 1e12}}}),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name, value):
    """It would be a loop or a wait without an end."""
    with pytest.raises(ValueError, match=r"more than|at most|up to|no option|name"):
        settings_with({name: value})
