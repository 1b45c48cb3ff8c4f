"""What `attach` is asked for: its arguments, then the environment, then the configuration files."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

from esp32sock import config_files
from esp32sock._dataclass import dataclass
from esp32sock.broker import socket_file
from esp32sock.config_files import ConfigError
from esp32sock.engine.options import Options
from esp32sock.net.context import PORT_VARIABLE
from esp32sock.net.routes import LOOPBACK, Routes
from esp32sock.settings import BY_NAME, DIRECT, MODULE, MODULE_VARIABLE, PORT, SETTINGS, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from esp32sock.config_files import ConfigFile
    from esp32sock.engine.options import Receive, ResetLine
    from esp32sock.net.routes import Direct

SSID, PASSWORD = "ssid", "password"
SSID_VARIABLE, PASSWORD_VARIABLE = BY_NAME[SSID].variable, BY_NAME[PASSWORD].variable

BROKER_SCHEME = config_files.BROKER
AUTO = "auto"
"""The port of those that do not care: a broker, else the configured port, else the only ESP32 there is."""


class AttachOptions(TypedDict, total=False):
    """The keyword options of `attach` and `open_interface`: the fields of `Options`, and `baud`."""

    baudrate: int
    baud: int
    rtscts: bool
    ssid: str | None
    password: str
    unread_link_bytes: int
    unread_bytes: int
    close_s: float
    half_close_s: float
    server_links: int
    receive: Receive | None
    reset: ResetLine | None
    fill_data_phase: bool
    ipv6: bool | None
    dns_cache_s: float
    reclaim_idle_s: float | None
    heartbeat_s: float | None
    trace: str | PathLike[str] | None
    pcap: str | PathLike[str] | None


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a setting, and what says so: an argument, a variable, a file and its line."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What every place says, the one that counts most first, and the module that it is said of."""

    layers: tuple[Mapping[str, Found], ...]
    module: Found | None
    is_module_named: bool
    """By an argument or the environment, and not only as a file's default."""

    def get(self, name: str) -> Found | None:
        """What counts for this setting; None if nothing says anything."""
        return next(self._all(name), None)

    def _all(self, name: str) -> Iterator[Found]:
        return (layer[name] for layer in self.layers if name in layer)

    def get_password(self) -> Found | None:
        """A password is for the network of the same place, or of one that counts less.

        An argument is given in any case: one without a network is a mistake, and `Options` says so.
        """
        for layer in self.layers:
            if PASSWORD in layer:
                return layer[PASSWORD] if layer is self.layers[0] or self.get(SSID) else None
            if SSID in layer:
                return None
        return None

    def port(self, *, shared: bool = True) -> str | None:
        """The port; for `auto` a broker if `shared`, else what is configured, else `auto` again."""
        named = [found.value for found in self._all(PORT)]
        if named[:1] == [AUTO] and shared:
            path = socket_file.running()
            if path is not None:
                module = f"#{self.module.value}" if self.module and self.is_module_named else ""
                return f"{BROKER_SCHEME}{path}{module}"
        return next((port for port in named if port != AUTO), named[0] if named else None)

    def options(self) -> dict[str, Any]:
        """The fields of `Options`, but the port."""
        names = {field.name for field in fields(Options)} - {"url", PASSWORD}
        found = {name: self.get(name) for name in names} | {PASSWORD: self.get_password()}
        return {name: one.value for name, one in found.items() if one is not None}

    def routes(self) -> Routes:
        direct = self.get(DIRECT)
        return Routes(LOOPBACK if direct is None else direct.value)


def gather(
    arguments: Mapping[str, Any], module: str | None = None, *, names: Mapping[str, str] | None = None
) -> Gathered:
    """What is said of a module; ConfigError for a file that cannot be used, or a module that none has.

    `names` is what the arguments are called, in messages. A module that is only a file's default counts
    where no port is named.
    """
    given = {
        name: Found(value, (names or {}).get(name, f"argument {name}")) for name, value in arguments.items()
    }
    environment = _environment()
    port = given.get(PORT) or environment.get(PORT)
    chosen: Found | None = None
    if module is not None:
        chosen = Found(module, (names or {}).get(MODULE, f"argument {MODULE}"))
    elif os.environ.get(MODULE_VARIABLE):
        chosen = Found(os.environ[MODULE_VARIABLE], MODULE_VARIABLE)
    is_named = chosen is not None
    layers = [given, environment]
    if is_named or port is None or port.value == AUTO:
        files = config_files.load()
        chosen = chosen or _default_module(files)
        if chosen is not None:
            layers += _sections(files, chosen)
    return Gathered(tuple(layers), chosen, is_named)


def resolve(
    url: str | Options | None,
    direct: Direct | None,
    given: AttachOptions,
    module: str | None = None,
    *,
    shared: bool = True,
) -> tuple[Options | str, Routes]:
    """The options and routes that arguments, environment and files ask for; raises ValueError and TypeError.

    For a broker its URL takes the place of options, which are its own: ValueError if any are given. Keywords
    count more than an `Options` object, which is complete: neither environment nor files add to it. `shared`
    is whether `auto` may be a broker.
    """
    keywords = _checked(given)
    if isinstance(url, Options):
        if url.url.startswith(BROKER_SCHEME):
            raise ValueError(f"{url.url} is a broker, which takes no Options: give its URL alone")
        if module is not None:
            raise TypeError("attach() takes an Options object or module=, not both")
        return replace(url, **keywords), Routes.from_environment() if direct is None else Routes(direct)
    arguments = {**keywords, **({} if url is None else {PORT: url})}
    gathered = gather(arguments if direct is None else {**arguments, DIRECT: direct}, module)
    port, routes = gathered.port(shared=shared), gathered.routes()
    if not port:
        raise ValueError(
            f"no port: name one, set {PORT_VARIABLE} or write a configuration file; "
            "`esp32sock ports` lists the ports"
        )
    if port.startswith(BROKER_SCHEME):
        _refuse_for_broker(port, keywords)
        return port, routes
    return _options(port, gathered), routes


def _options(port: str, gathered: Gathered) -> Options:
    """ValueError for a value out of range, with what says it."""
    values = gathered.options()
    try:
        return Options(port, **values)
    except ValueError as error:
        named = sorted(name for name in values if name in str(error))
        sources = {found.source for name in named if (found := gathered.get(name)) is not None}
        said = ", ".join(sorted(source for source in sources if not source.startswith("argument ")))
        raise ValueError(f"{said}: {error}" if said else str(error)) from None


def names_port() -> bool:
    """Whether environment or files name a port, so that a program may attach by itself."""
    try:
        return gather({}).port() is not None
    except ConfigError:
        return True  # and `attach` says what is wrong


def _environment() -> dict[str, Found]:
    found = {}
    for setting in SETTINGS:
        text = os.environ.get(setting.variable)
        if text or (text is not None and setting.name == DIRECT):
            try:
                found[setting.name] = Found(parsed(setting, text), setting.variable)
            except ValueError as error:
                raise ValueError(f"{setting.variable}: {error}") from None
    return found


def _default_module(files: Sequence[ConfigFile]) -> Found | None:
    named = ((file, file.module) for file in files if file.module is not None)
    return next((Found(entry.value, f"{file.path}:{entry.line}") for file, entry in named), None)


def _sections(files: Sequence[ConfigFile], module: Found) -> list[dict[str, Found]]:
    """What the files say of this module, the user's before the machine's; ConfigError if nothing does."""
    sections = [(file.path, file.modules[module.value]) for file in files if module.value in file.modules]
    if not sections:
        known = sorted({name for file in files for name in file.modules})
        where = ", ".join(file.path for file in files) or f"{config_files.user_file()}, which is not there"
        raise ConfigError(
            f"{module.source}: no module {module.value!r} in {where}"
            + (f"; there are {', '.join(known)}" if known else "")
        )
    return [
        {key: Found(entry.value, f"{path}:{entry.line}") for key, entry in section.items()}
        for path, section in sections
    ]


def _refuse_for_broker(url: str, keywords: dict[str, Any]) -> None:
    """ValueError for options that a broker has set already; those that ask for the usual are no harm."""
    usual = {field.name: field.default for field in fields(Options)}
    unusual = [name for name, value in keywords.items() if value != usual[name]]
    if unusual:
        raise ValueError(f"{', '.join(unusual)}: to be given to the broker behind {url}, not here")


def _checked(given: AttachOptions) -> dict[str, Any]:
    """The keywords as fields of `Options`; TypeError for an unknown one, or a rate given twice."""
    keywords = cast("dict[str, Any]", dict(given))
    if "baud" in keywords:
        if "baudrate" in keywords:
            raise TypeError("attach() takes baudrate or baud, not both: they are one option")
        keywords["baudrate"] = keywords.pop("baud")
    known = {field.name for field in fields(Options)} - {"url"}
    unknown = sorted(set(keywords) - known)
    if unknown:
        raise TypeError(
            f"attach() has no option {', '.join(unknown)}; its options are {', '.join(sorted(known))}"
        )
    return keywords
