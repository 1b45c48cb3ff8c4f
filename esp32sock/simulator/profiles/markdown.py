"""The table of profiles and commands, as Markdown, made from the data of the profiles.

`python -m esp32sock.simulator.profiles.markdown FILE` writes docs/simulator-profiles.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from esp32sock.simulator.profiles.generations import ESP8266, PROFILES, Profile

_INTRODUCTION = """\
# What the simulated firmware generations have

Made from the data in `esp32sock/simulator/profiles/generations.py` and its neighbours by
`python -m esp32sock.simulator.profiles.markdown docs/simulator-profiles.md`; do not edit.

Each column is a profile. `doc-v1` is the 2017 document, literally; the others are named for the firmware.
A cell says which forms of a command exist: t test (`=?`), q query (`?`), s set (`=...`), e execute; `.`
where it is known in no form that is simulated, empty where it is refused as unknown.
"""

_LIMITS: tuple[tuple[str, str], ...] = (
    ("Longest line", "line_limit"),
    ("Error codes without SYSLOG", "error_codes_always"),
    ("CIPSEND at most", "send_limit"),
    ("Block of `+IPD` at most", "ipd_limit"),
    ("CR LF behind a block", "ipd_trailer"),
    ("Fields of `+CWJAP`", "cwjap_fields"),
    ("Fields of `+CWLAP`", "cwlap_fields"),
    ("SLEEP at most", "highest_sleep"),
    ("SYSMSG at most", "highest_sysmsg"),
    ("Stations at the SoftAP, as shipped", "softap_stations"),
)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _value(profile: Profile, name: str) -> str:
    value = getattr(profile, name)
    if value is None:
        return "none"
    if isinstance(value, bool | bytes):
        return "yes" if value else "no"
    return str(value)


def markdown() -> str:
    """The whole page."""
    profiles = list((PROFILES | ESP8266).values())
    head = _row(["", *(profile.name for profile in profiles)]) + _row(["---"] * (len(profiles) + 1))
    names = dict.fromkeys(name for profile in reversed(profiles) for name in profile.commands)
    commands = "".join(
        _row(
            [
                f"`{name if name.startswith('AT') else 'AT+' + name}`",
                *(profile.commands[name] or "." if name in profile.commands else "" for profile in profiles),
            ]
        )
        for name in sorted(names, key=lambda name: (not name.startswith("AT"), name))
    )
    limits = "".join(
        _row([title, *(_value(profile, name) for profile in profiles)]) for title, name in _LIMITS
    )
    return f"{_INTRODUCTION}\n## Commands\n\n{head}{commands}\n## Limits and spellings\n\n{head}{limits}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), "utf-8")
