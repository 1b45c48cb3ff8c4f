"""What a user may choose about a simulated module: one table, from which the options of `esp32sock simulate`,
the query of a `sim://` URL and the keywords of the pytest marker are made. A name is the same in all three,
and so is what it accepts; on the command line `_` is `-`, and what is 0 or 1 in a URL is a flag.

How to read it. A row names an option, says how its value is read, from text or from a Python object, and what
it makes of the settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from esp32sock.simulator.environment.certificates import slot_of
from esp32sock.simulator.environment.scenario import Scenario
from esp32sock.simulator.environment.settings import OBSERVED_TIMING, Settings, Timing
from esp32sock.simulator.faults.spec import parse_faults
from esp32sock.simulator.profiles.generations import DEFAULT_PROFILE, ESP8266, PROFILES, profile_named

MOST_BAUD = 5_000_000
"""What the UART can do (at-dialects 2)."""
MOST_LATENCY_MS = 60_000.0
MOST_SEED = 2**63 - 1
MOST_WINDOW = 1 << 24
SHOWN_DIGITS = 24

Read: TypeAlias = Callable[[object], object]
"""A value out of text or a Python object. Raises ValueError, OSError for a file."""


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose."""

    name: str
    read: Read
    help: str
    metavar: str = ""
    """What stands for the value; empty for a flag."""
    default: object = None
    choices: tuple[str, ...] = ()
    repeats: bool = False
    """May be given several times; read as a list."""
    help_off: str = ""
    """Of a flag that is on by default: what turning it off means."""
    apply: Callable[[Settings, object], Settings] | None = None
    """Settings with a value; None: the value is the field of this name."""

    def applied(self, settings: Settings, value: object) -> Settings:
        """The settings with what `value` says. Raises ValueError naming the option, OSError for a file."""
        try:
            read = self.read(value)
        except ValueError as error:
            raise ValueError(f"option {self.name}: {error}") from None
        if self.apply is not None:
            return self.apply(settings, read)
        return replace(settings, **{self.name: read})  # type: ignore[arg-type]


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("0", "1"):
        raise ValueError(f"{value!r} is neither 0 nor 1")
    return value == "1"


def _number(value: object, *, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is not a whole number")
    number = int(value)
    if number < lowest:
        raise ValueError(f"{value!r} is less than {lowest}")
    if number > highest:
        raise ValueError(f"{str(value)[:SHOWN_DIGITS]!r} is more than {highest}")
    return number


def _milliseconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a number")
    number = float(value)
    if not 0 <= number <= MOST_LATENCY_MS:
        raise ValueError(f"{value!r} is not a delay of at most {MOST_LATENCY_MS:.0f} ms")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _path(value: object) -> str:
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{value!r} is not a path")
    return os.fsdecode(value)


def _profile(value: object) -> str:
    return profile_named(_text(value)).name


def _spec(value: object) -> str:
    parse_faults(_text(value))
    return _text(value)


def _scenario(value: object) -> Scenario:
    if isinstance(value, Scenario):
        return value
    return Scenario.of(value) if isinstance(value, Mapping) else Scenario.read(_path(value))


_TIMINGS = {"short": Timing(), "observed": OBSERVED_TIMING}


def _timing(value: object) -> Timing:
    if isinstance(value, Timing):
        return value
    if value not in _TIMINGS:
        raise ValueError(f"{value!r} is none of {', '.join(_TIMINGS)}")
    return _TIMINGS[_text(value)]


def _certificates(value: object) -> list[tuple[str, str]]:
    """`SLOT=FILE`, or several, or a dict of files or PEM texts by slot."""
    if isinstance(value, Mapping):
        pairs = [(_text(slot), _text(content)) for slot, content in value.items()]
    else:
        pairs = []
        for each in value if isinstance(value, list | tuple) else [value]:
            slot, separator, content = _text(each).partition("=")
            if not separator:
                raise ValueError(f"{each!r} is not SLOT=FILE")
            pairs.append((slot, content))
    return [slot_of(slot, content) for slot, content in pairs]


def _around(settings: Settings, value: object) -> Settings:
    assert isinstance(value, Scenario)
    return value.around(settings)


def _add_certificates(settings: Settings, value: object) -> Settings:
    assert isinstance(value, list)
    return replace(settings, certificates=(*settings.certificates, *value))


OPTIONS = (
    Option(
        "profile", _profile, "the firmware generation", "NAME", DEFAULT_PROFILE, choices=(*PROFILES, *ESP8266)
    ),
    Option("scenario", _scenario, "access points, names and more, in a TOML file", "FILE", apply=_around),
    Option("paced", _flag, "the line is as slow as its baud rate", default=False),
    Option("baud", partial(_number, lowest=1, highest=MOST_BAUD), "the baud rate at power-on", "N", 115200),
    Option(
        "latency_ms", _milliseconds, "delay of the host's adapter, once for each write of the host", "N", 0.0
    ),
    Option("seed", partial(_number, lowest=0, highest=MOST_SEED), "seed of the random numbers", "N", 0),
    Option(
        "joined",
        _flag,
        "an access point is stored, and the module joins it",
        default=True,
        help_off="as shipped: no access point is stored",
    ),
    Option("cold", _flag, "power on now: boot, `ready`, join", default=False),
    Option(
        "window",
        partial(_number, lowest=1, highest=MOST_WINDOW),
        "TCP receive window of each link in bytes",
        "N",
    ),
    Option("timing", _timing, "how long boot, join and scan take", "WHICH", "short", choices=tuple(_TIMINGS)),
    Option("faults", _spec, "what goes wrong: drop:0.001,reset@1234", "SPEC"),
    Option("nvs", _path, "keep the module's flash in this file", "FILE"),
    Option(
        "certificate",
        _certificates,
        "fill a certificate slot, or empty it: client_ca.0=ca.pem, client_cert.1=",
        "SLOT=FILE",
        repeats=True,
        apply=_add_certificates,
    ),
    Option("boot_noise", _flag, "the boot log comes on the same line, as with AT on UART0", default=False),
)

BY_NAME = {option.name: option for option in OPTIONS}


def settings_with(chosen: Mapping[str, object]) -> Settings:
    """The settings that these options ask for, by name.

    Raises ValueError naming the option, or the choices for a name that is none; OSError for a file.
    """
    for name in chosen:
        if name not in BY_NAME:
            raise ValueError(f"no option {name!r}; there are {', '.join(BY_NAME)}")
    settings = Settings()
    for option in OPTIONS:
        if option.name in chosen:
            settings = option.applied(settings, chosen[option.name])
    return settings


def option_table() -> str:
    """The options as a Markdown table of what stands in a URL."""
    lines = ["| option | means | default |", "| --- | --- | --- |"]
    for option in OPTIONS:
        value = option.metavar or "0 or 1"
        default = int(option.default) if isinstance(option.default, bool) else option.default
        shown = "" if default is None else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        lines.append(f"| `{option.name}` = {value} | {option.help} | {shown} |")
    return "\n".join(lines) + "\n"
