"""`from esp32sock import socket` and go on as with the standard library's: TCP and UDP through the module.

Every name of the `socket` of this interpreter is here. The class `socket` and the look-up functions are ours,
and so is what the standard library builds of them (`create_connection`, `create_server`, `fromfd`, ...); all
else (constants, exceptions, `SocketIO`, `inet_aton`, ...) is the standard library's own object.
"""

from __future__ import annotations

import socket as _stdlib
import types as _types
from typing import TYPE_CHECKING, Any

from esp32sock.net import resolver as _resolver
from esp32sock.net.socket_methods import METHODS as _METHODS

if TYPE_CHECKING:
    from socket import *  # noqa: F403

for _name in dir(_stdlib):
    if not _name.startswith("__"):
        globals()[_name] = getattr(_stdlib, _name)

__all__ = list(_stdlib.__all__)

getaddrinfo = _resolver.getaddrinfo_enums  # type: ignore[assignment]
gethostbyname = _resolver.gethostbyname
gethostbyname_ex = _resolver.gethostbyname_ex
gethostbyaddr = _resolver.gethostbyaddr
getnameinfo = _resolver.getnameinfo


class socket(_stdlib.socket):  # type: ignore[no-redef]
    """A socket of the module, or of the host where the routes say so; used as `socket.socket` is."""

    __slots__ = ()

    def accept(self) -> tuple[socket, Any]:
        """As in the standard library, whose own makes sockets of its own class."""
        fd, address = self._accept()  # type: ignore[attr-defined]
        accepted = socket(self.family, self.type, self.proto, fileno=fd)
        if _stdlib.getdefaulttimeout() is None and self.gettimeout():
            accepted.setblocking(True)
        return accepted, address


for _name, _method in _METHODS.items():
    setattr(socket, _name, _method)


def _rebuilt(function: Any) -> Any:
    """The same function over the names of this module, so that the sockets it makes are ours."""
    ours = _types.FunctionType(
        function.__code__, globals(), function.__name__, function.__defaults__, function.__closure__
    )
    ours.__kwdefaults__ = function.__kwdefaults__
    ours.__doc__ = function.__doc__
    ours.__module__ = __name__
    return ours


for _name in ("create_connection", "create_server", "fromfd", "getfqdn", "has_dualstack_ipv6", "socketpair"):
    globals()[_name] = _rebuilt(getattr(_stdlib, _name))


def __getattr__(name: str) -> Any:
    """Names that the standard library's module makes only when they are asked for."""
    return getattr(_stdlib, name)
