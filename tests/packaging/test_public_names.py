"""The names that `import esp32sock` gives: this list, and no other."""

from __future__ import annotations

import types

import esp32sock
from esp32sock import config
from esp32sock.engine.options import Options

PUBLIC = {
    # attaching
    "attach", "default", "detach", "open_interface", "passthrough", "using",
    "Interface", "Options",
    # the standard library's sockets
    "patch", "patched", "unpatch",
    # what a module reports
    "Event",
    # errors
    "Error", "ProtocolError", "LocalProtocolError", "RemoteProtocolError",
    "CommandError", "CommandTimeout", "CommandBusy", "ModuleReset", "PortError",
    "__version__",
}  # fmt: skip
PUBLIC_MODULES = {"commands", "events", "socket", "trio"}


def test_the_public_names() -> None:
    assert set(esp32sock.__all__) == PUBLIC
    assert len(esp32sock.__all__) == len(PUBLIC)
    assert set(dir(esp32sock)) == PUBLIC | PUBLIC_MODULES


def test_every_public_name_is_there() -> None:
    for name in PUBLIC:
        assert not isinstance(getattr(esp32sock, name), types.ModuleType), name
    for name in PUBLIC_MODULES:
        assert isinstance(getattr(esp32sock, name), types.ModuleType), name


def test_attach_takes_the_fields_of_the_options() -> None:
    fields = set(Options.__dataclass_fields__) - {"url"}
    assert set(config.AttachOptions.__annotations__) == fields | {"baud"}
    annotations = config.AttachOptions.__annotations__
    for name in fields:
        assert annotations[name].__forward_arg__ == Options.__dataclass_fields__[name].type, name
