"""uvloop: sockets that its loop opens in C use the module or are refused.

`patch()` sets these methods on `uvloop.Loop`, also when uvloop is imported later. Streams work: a
Python socket connects, and uvloop gets its descriptor, an AF_UNIX stream, which it supports. Servers and
datagram endpoints on the module are refused with OSError(EOPNOTSUPP), because libuv would bind sockets on the
host's network. Addresses that the routing table gives to the host are left to uvloop.

Without `patch()`, connect a socket of `esp32sock.socket` with `loop.sock_connect` and give
`loop.create_connection(sock=as_unix(sock))`.
"""

from __future__ import annotations

import socket as stdlib
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from esp32sock.broker import child_environment
from esp32sock.net import fd_registry
from esp32sock.shims import spawning
from esp32sock.shims.bypass import binds_on_host, is_hosts_own, refuse
from esp32sock.shims.import_hook import when_imported

if TYPE_CHECKING:
    from collections.abc import Callable

    Set = Callable[[Any, str, Any], None]


def as_unix(sock: stdlib.socket) -> stdlib.socket:
    """A socket for uvloop with the connection of `sock`, which is detached; a host's socket is returned."""
    if not _is_virtual(sock) or sock.family == stdlib.AF_UNIX:
        return sock
    made = type(sock)(stdlib.AF_UNIX, sock.type, sock.proto, sock.detach())
    made.setblocking(False)
    return made


def methods(loop_class: Any) -> dict[str, Any]:
    """The replacements for methods of the loop class."""
    own = {name: getattr(loop_class, name) for name in _REPLACED}

    async def create_connection(
        self: Any,
        protocol_factory: Any,
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        local_addr: Any = None,
        **options: Any,
    ) -> Any:
        given = sock
        if sock is None and (host is not None or port is not None):
            sock = await _connected(self, (host, port), family, proto, flags, local_addr)
            if options.get("ssl") and options.get("server_hostname") is None:
                options["server_hostname"] = host
            host = port = None
        else:
            options.update(family=family, proto=proto, flags=flags, local_addr=local_addr)
        if sock is not None:
            sock = as_unix(sock)
        try:
            return await own["create_connection"](self, protocol_factory, host, port, sock=sock, **options)
        except BaseException:
            if sock is not given:
                sock.close()
            raise

    async def connect_accepted_socket(self: Any, protocol_factory: Any, sock: Any, **options: Any) -> Any:
        return await own["connect_accepted_socket"](self, protocol_factory, as_unix(sock), **options)

    async def create_server(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        hosts = [host] if host is None or isinstance(host, str) else list(host)
        if sock := options.get("sock"):
            _refuse(_is_virtual(sock), "a server on a socket of the module")
        else:
            _refuse(not all(map(binds_on_host, hosts)), "a server on the module")
        return await own["create_server"](self, protocol_factory, host, port, **options)

    async def create_datagram_endpoint(
        self: Any, protocol_factory: Any, local_addr: Any = None, remote_addr: Any = None, **options: Any
    ) -> Any:
        if sock := options.get("sock"):
            _refuse(_is_virtual(sock), "a datagram endpoint on a socket of the module")
        elif options.get("family") != stdlib.AF_UNIX:
            if remote_addr:
                hosts_own = is_hosts_own(remote_addr[0])
            else:
                hosts_own = bool(local_addr) and binds_on_host(local_addr[0])
            _refuse(not hosts_own, "a datagram endpoint on the module")
        return await own["create_datagram_endpoint"](
            self, protocol_factory, local_addr, remote_addr, **options
        )

    async def getaddrinfo(self: Any, host: Any, port: Any, **options: int) -> Any:
        return await self.run_in_executor(None, lambda: stdlib.getaddrinfo(host, port, **options))

    async def getnameinfo(self: Any, sockaddr: Any, flags: int = 0) -> Any:
        return await self.run_in_executor(None, stdlib.getnameinfo, sockaddr, flags)

    async def subprocess_exec(
        self: Any, protocol_factory: Any, program: Any, *args: Any, **options: Any
    ) -> Any:
        spawning.starting(program, [program, *args])
        return await own["subprocess_exec"](self, protocol_factory, program, *args, **_completed(options))

    async def subprocess_shell(self: Any, protocol_factory: Any, cmd: Any, **options: Any) -> Any:
        spawning.starting_shell(cmd)
        return await own["subprocess_shell"](self, protocol_factory, cmd, **_completed(options))

    ours = locals()
    return {name: ours[name] for name in _REPLACED}


_REPLACED = (
    "create_connection", "connect_accepted_socket", "create_server", "create_datagram_endpoint",
    "getaddrinfo", "getnameinfo", "subprocess_exec", "subprocess_shell",
)  # fmt: skip


def _completed(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a child, whose environment gets what it lacks of ours."""
    if options.get("env") is None or not child_environment.are_served():
        return options
    return {**options, "env": child_environment.completed(options["env"])}


async def _connected(
    loop: Any, address: tuple[Any, Any], family: int, proto: int, flags: int, local_addr: Any
) -> stdlib.socket:
    """A socket connected to the first address that answers, as in asyncio."""
    found = await loop.getaddrinfo(*address, family=family, type=stdlib.SOCK_STREAM, proto=proto, flags=flags)
    failures: list[OSError] = []
    for each_family, kind, each_proto, _, where in found:
        try:
            sock = stdlib.socket(each_family, kind, each_proto)
        except OSError as error:
            failures.append(error)
            continue
        try:
            sock.setblocking(False)
            if local_addr is not None:
                sock.bind(tuple(local_addr))
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            failures.append(error)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    if not failures:
        raise OSError(f"no address to connect to for {address[0]!r}")
    raise failures[0]


def _is_virtual(sock: Any) -> bool:
    return fd_registry.state_by_id(id(sock)) is not None


def _refuse(bypasses: bool, what: str) -> None:
    if bypasses:
        refuse(what, "uvloop would open it in C and bypass the module; use asyncio's own event loop")


# Replace the methods also when uvloop is imported later.


def install(set_attribute: Set) -> Callable[[], None]:
    """Replace the methods now or when uvloop is imported; returns a function that cancels the latter."""
    return when_imported("uvloop", lambda module: _replace(module, set_attribute))


def _replace(module: ModuleType, set_attribute: Set) -> None:
    loop_class, c_class = getattr(module, "Loop", None), _c_class(module)
    if not isinstance(loop_class, type) or not all(hasattr(loop_class, name) for name in _REPLACED):
        warnings.warn(
            "this version of uvloop is not supported: it resolves names and opens sockets in C and bypasses "
            "the patch and the module; use asyncio's own event loop",
            RuntimeWarning,
            stacklevel=6,
        )
        return
    for each in (loop_class, *(other for other in _subclasses(c_class) if other is not loop_class)):
        for name, method in methods(each).items():
            set_attribute(each, name, method)
    if c_class is not None:  # its methods cannot be replaced, so a subclass takes its place
        guarded = type(c_class.__name__, (c_class,), methods(c_class))
        for holder, attribute in _holders(c_class):
            set_attribute(holder, attribute, guarded)


def _c_class(module: ModuleType) -> Any:
    """The class in C under `uvloop.Loop`."""
    found = getattr(getattr(module, "loop", None), "Loop", None)
    return found if isinstance(found, type) else None


def _subclasses(cls: Any) -> list[Any]:
    return [] if cls is None else [each for each in cls.__subclasses__() if _REPLACED[0] not in vars(each)]


def _holders(cls: Any) -> list[tuple[ModuleType, str]]:
    """Where modules keep this class, by whatever name."""
    return [
        (module, attribute)
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType)
        for attribute, value in list(vars(module).items())
        if value is cls
    ]
