"""The `sim://` scheme of pyserial: a port with a simulated module behind it.

    sim://[PROFILE][?paced=1&baud=921600&latency_ms=1&seed=7&joined=0&cold=1&window=5760
                     &world=FILE&faults=SPEC&nvs=FILE&noise=1&client_ca=FILE]

Each opening makes a module of its own; closing ends it. The port is a real terminal with a real descriptor.
Without options the module speaks the newest complete profile, is not slowed down, is already running and
joined to an access point, and reaches the network of this machine (10.0.2.2 is 127.0.0.1). `paced` slows the
line to its baud, `cold` powers the module on at the opening, `noise` puts the boot log on the line. A world
is described in world.py, a SPEC in fault_spec.py; `nvs` is the flash, kept from one opening to the next.
`client_ca` and its like (certificates.py) fill certificate slots; an empty value empties one. As with a real
module, a port opened at another baud than the module's reads garbage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import serial

from esp32sock.simulator.environment.certificates import KINDS, slot_of
from esp32sock.simulator.environment.scenario import Scenario
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.faults.spec import parse_faults
from esp32sock.simulator.profiles.generations import DEFAULT_PROFILE, profile_named
from esp32sock.simulator.runtime.background import BackgroundModule

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.device import Device


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text == "1"


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(f"{text!r} is negative")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise ValueError(f"{text!r} is not positive")
    return value


def _milliseconds(text: str) -> float:
    value = float(text) / 1000
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text!r} is not a delay")
    return value


def _spec(text: str) -> str:
    parse_faults(text)
    return text


_OPTIONS: dict[str, tuple[str, Callable[[str], object]]] = {
    "paced": ("paced", _flag),
    "baud": ("baud", _positive),
    "latency_ms": ("latency_s", _milliseconds),
    "seed": ("seed", _count),
    "joined": ("joined", _flag),
    "cold": ("cold", _flag),
    "window": ("window_bytes", _positive),
    "faults": ("faults", _spec),
    "nvs": ("nvs", str),
    "noise": ("boot_noise", _flag),
}
_WORLD = "world"


def settings_of(url: str) -> Settings:
    """The settings that a `sim://` URL asks for.

    Raises ValueError naming the choices, OSError for a file that cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() != "sim":
        raise ValueError(f"{url!r} does not begin with sim://")
    name = unquote(parts.netloc + parts.path).strip("/") or DEFAULT_PROFILE
    settings = Settings(profile=profile_named(name).name)
    certificates: list[tuple[str, str]] = []
    for key, text in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)):
        if key == _WORLD:
            settings = Scenario.read(text).around(settings)
            continue
        if key.partition(".")[0] in KINDS:
            certificates.append(slot_of(key, text))
            continue
        if key not in _OPTIONS:
            raise ValueError(f"no option {key!r}; there are {', '.join((*_OPTIONS, _WORLD, *KINDS))}")
        name, read = _OPTIONS[key]
        try:
            settings = replace(settings, **{name: read(text)})  # type: ignore[arg-type]
        except ValueError as error:
            raise ValueError(f"option {key}: {error}") from None
    return replace(settings, certificates=(*settings.certificates, *certificates))


class Serial(serial.Serial):
    """A serial port whose other end is simulated. `port` is the URL; `simulated` the module, while open."""

    _background: BackgroundModule | None = None

    @property
    def simulated(self) -> Device | None:
        """The module behind the port, to look into; None while closed."""
        return self._background.module if self._background is not None else None

    def open(self) -> None:
        """Start a module and open the line to it.

        Raises SerialException for a URL that cannot be understood.
        """
        url = self.portstr
        if url is None:
            raise serial.SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise serial.SerialException("Port is already open.")
        try:
            background = BackgroundModule(settings_of(url))
        except (ValueError, OSError) as error:
            raise serial.SerialException(f"could not open port {url}: {error}") from None
        try:
            self.portstr = background.path
            super().open()
        except BaseException:
            background.stop()
            raise
        finally:
            self.portstr = url
        self._background = background

    def close(self) -> None:
        """Close the line and end the module."""
        background, self._background = self._background, None
        try:
            super().close()
        finally:
            if background is not None:
                background.stop()

    # A terminal has no control lines (ENOTTY); a USB adapter has, and programs use them.

    def _update_rts_state(self) -> None:
        pass

    def _update_dtr_state(self) -> None:
        pass

    @property
    def cts(self) -> bool:
        """The module is always ready to receive: it has its ring."""
        return True

    @property
    def dsr(self) -> bool:
        return True

    @property
    def ri(self) -> bool:
        return False

    @property
    def cd(self) -> bool:
        return True

    def set_low_latency_mode(self, low_latency_settings: bool) -> None:
        """There is no latency timer to set; the call succeeds as on an adapter."""
