"""The configuration files: named modules with their settings, of the user and of the whole machine.

    module = "attic"                     # the one to use where none is named

    [modules.attic]
    port = "usb:0001"
    baudrate = 921600
    rtscts = true

What stands in a file that nobody can use (an unknown key, a value of the wrong type or out of range) is a
ConfigError with file and line.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from importlib import import_module
from typing import TYPE_CHECKING, Any

from esp32sock._dataclass import dataclass
from esp32sock.engine.options import Options
from esp32sock.net.routes import Routes
from esp32sock.settings import BY_NAME, DIRECT, MODULE, PORT, SETTINGS, from_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_VARIABLE = "ESP32SOCK_CONFIG"
"""A file in place of the user's own."""
SYSTEM_FILE = "/etc/esp32sock.toml"
MODULES = "modules"
MOST_BYTES = 1 << 15
"""A longer file is none of ours (chosen)."""
BROKER = "unix:"

log = logging.getLogger("esp32sock")
_warned: set[str] = set()
"""The files that this process has warned of."""


class ConfigError(ValueError):
    """A configuration file cannot be used; the message begins with file and line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, and the line where it stands."""

    value: Any
    line: int


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What one file says."""

    path: str
    module: Entry | None
    modules: Mapping[str, Mapping[str, Entry]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a file cannot say."""

    path: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def user_file() -> str:
    """ESP32SOCK_CONFIG, else `esp32sock/config.toml` in XDG_CONFIG_HOME or `~/.config`."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.environ.get(FILE_VARIABLE) or os.path.join(folder, "esp32sock", "config.toml")


def load() -> list[ConfigFile]:
    """The files that are there, the user's before the machine's; ConfigError for one that cannot be used."""
    found = []
    for path in present():
        file, problems = read(path)
        if file is None:
            raise ConfigError(str(problems[0]))
        found.append(file)
    return found


def present() -> list[str]:
    """The files that are read: those that are there, and the one that ESP32SOCK_CONFIG names."""
    named = os.environ.get(FILE_VARIABLE)
    return [path for path in (user_file(), SYSTEM_FILE) if path == named or os.path.lexists(path)]


def read(path: str) -> tuple[ConfigFile | None, list[Problem]]:
    """What a file says, or all that is wrong with it."""
    try:
        text = _text_of(path)
    except OSError as error:
        return None, [Problem(path, None, f"cannot be read: {error.strerror or error}")]
    except ValueError as error:
        return None, [Problem(path, None, str(error))]
    try:
        document = _parsed(text)
    except (ValueError, RecursionError) as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(place[1] or text.count("\n") + 1) if place else None
        return None, [Problem(path, line, re.sub(r" \(at .*\)", "", str(error)))]
    reader = _Reader(path, text, document)
    problems = sorted(reader.problems(), key=lambda problem: problem.line or 0)
    if problems:
        return None, problems
    _warn_of_readers(path, reader.has_password())
    return reader.file(), []


def _text_of(path: str) -> str:
    with open(path, "rb") as file:
        kept = file.read(MOST_BYTES + 1)
    if len(kept) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES} bytes: no configuration of esp32sock")
    try:
        return kept.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None


def _parsed(text: str) -> dict[str, Any]:
    """ValueError if it is no TOML. The parser is imported with the first file: most programs have none."""
    document: dict[str, Any] = import_module("tomllib").loads(text)
    return document


def _warn_of_readers(path: str, has_password: bool) -> None:
    if has_password and os.stat(path).st_mode & stat.S_IROTH and path not in _warned:
        _warned.add(path)
        log.warning("%s has a password and other users may read it: `chmod o-r %s`", path, path)


class _Reader:
    """One document, against the table of settings."""

    def __init__(self, path: str, text: str, document: dict[str, Any]) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._document = document

    def file(self) -> ConfigFile:
        """What it says, once it has no problems."""
        module = self._document.get(MODULE)
        return ConfigFile(
            self._path,
            None if module is None else Entry(module, self._line(MODULE)),
            {name: self._entries(name) for name in self._document.get(MODULES, {})},
        )

    def _entries(self, name: str) -> dict[str, Entry]:
        return {
            key: Entry(from_toml(BY_NAME[key], value), self._line(MODULES, name, key))
            for key, value in self._document[MODULES][name].items()
        }

    def has_password(self) -> bool:
        sections = self._document.get(MODULES, {}).values()
        return any(BY_NAME[key].is_secret for section in sections for key in section)

    def problems(self) -> Iterator[Problem]:
        """Everything that cannot be used."""
        for key in self._document.keys() - {MODULE, MODULES}:
            hint = f"; settings of a module stand in [{MODULES}.NAME]" if key in BY_NAME else ""
            yield self._problem(f"unknown key {key!r}{hint}", key)
        modules = self._document.get(MODULES, {})
        if not isinstance(modules, dict):
            yield self._problem(f"write [{MODULES}.NAME] for each module", MODULES)
            return
        if not isinstance(self._document.get(MODULE, ""), str):
            yield self._problem(f"{MODULE}: the name of a module is expected", MODULE)
        for name, section in modules.items():
            if isinstance(section, dict):
                yield from self._problems_of(name, section)
            else:
                yield self._problem(f"write [{MODULES}.NAME] for each module", MODULES, name)

    def _problems_of(self, name: str, section: dict[str, Any]) -> Iterator[Problem]:
        values: dict[str, Any] = {}
        for key, value in section.items():
            setting = BY_NAME.get(key)
            if setting is None:
                known = ", ".join(setting.name for setting in SETTINGS)
                yield self._problem(f"unknown key {key!r}; known are {known}", MODULES, name, key)
                continue
            try:
                values[key] = from_toml(setting, value)
                _check_alone(key, values[key])
            except ValueError as error:
                values.pop(key, None)
                yield self._problem(f"{key}: {error}", MODULES, name, key)
        try:
            _check_together(values)
        except ValueError as error:
            yield self._problem(f"module {name!r}: {error}", MODULES, name)

    def _problem(self, text: str, *keys: str) -> Problem:
        return Problem(self._path, self._line(*keys), text)

    def _line(self, *keys: str) -> int:
        """Where the last of these keys stands: before the end of the first lines that parse and have it."""
        begun = None
        for number, line in enumerate(self._lines, 1):
            begun = number if keys[-1] in line else begun
            if begun is not None and _has(keys, "\n".join(self._lines[:number])):
                return begun
        return 1


def _has(keys: tuple[str, ...], text: str) -> bool:
    try:
        found: Any = _parsed(text)
        for key in keys:
            found = found[key]
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _check_alone(key: str, value: Any) -> None:
    """ValueError for a value that is out of range whatever the others are."""
    if key == DIRECT:
        Routes(value)
    elif key not in (PORT, "password"):
        Options("", **{key: value})


def _check_together(values: Mapping[str, Any]) -> None:
    """ValueError for values that contradict each other."""
    options = {key: value for key, value in values.items() if key not in (PORT, DIRECT)}
    if values.get(PORT, "").startswith(BROKER) and options:
        raise ValueError(f"{', '.join(options)}: to be given to the broker behind {values[PORT]}")
    Options("", **options)
