"""The `sim://` scheme of pyserial: a port with a simulated module behind it.

    sim://[PROFILE][?paced=1&baud=921600&seed=7&scenario=FILE&faults=SPEC]

Each opening makes a module of its own; closing ends it. The port is a real terminal with a real descriptor.
The options are those of options.py; all may stand in the query, and the profile before it. Without any the
module has profile 2.4 (`DEFAULT_PROFILE`), is not slowed down, is already running and joined to an access
point, and reaches the network of this machine (10.0.2.2 is 127.0.0.1). As with a real module, a port opened
at another baud rate than the module's reads garbage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import serial

from esp32sock.simulator.options import BY_NAME, settings_with
from esp32sock.simulator.runtime.background import BackgroundModule

if TYPE_CHECKING:
    from esp32sock.simulator.device import Device
    from esp32sock.simulator.environment.settings import Settings


def settings_of(url: str) -> Settings:
    """The settings that a `sim://` URL asks for.

    Raises ValueError naming the choices, OSError for a file that cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() != "sim":
        raise ValueError(f"{url!r} does not begin with sim://")
    chosen: dict[str, object] = {}
    profile = unquote(parts.netloc + parts.path).strip("/")
    if profile:
        chosen["profile"] = profile
    repeated: dict[str, list[str]] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)):
        if name in BY_NAME and BY_NAME[name].repeats:
            repeated.setdefault(name, []).append(text)
        else:
            chosen[name] = text
    return settings_with({**chosen, **repeated})


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

    # A terminal has no control lines (ENOTTY); a USB adapter has them, and programs use them.

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
