"""Ways by which a patched program may reach the network, and what becomes of each under `--direct none`.

`test_ways.py` runs this file as the program of `esp32sock run`, under strace. Each way is tried once, in the
order of the table, and one line of JSON says how it went: links that the module opened meanwhile, whether
the way itself saw its answer, and the error. Every destination is on loopback; WAYS_PORTS has the ports of a
peer, of one that sends a line, and of the one that the named exceptions reach.
"""

from __future__ import annotations

import _socket
import atexit
import errno
import gc
import importlib
import importlib.util
import json
import os
import select
import shlex
import socket
import sys
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CARRIED, REFUSED, NAMED = "carried", "refused", "named"
"""By the module; with a message that names the module; or past it, as the documentation says."""

NAME = "outside.test"
"""A name that only the network of the simulated module knows."""

PORT, LINE_PORT, NAMED_PORT = (int(port) for port in os.environ.get("WAYS_PORTS", "0 0 0").split())
FOLDER = os.environ.get("WAYS_FOLDER", "")
OUTSIDE = ("127.0.0.1", PORT)
LINES = ("127.0.0.1", LINE_PORT)
TIMEOUT_S = 30


@dataclass(frozen=True)
class Way:
    name: str
    expected: str
    run: Callable[[], Any]


WAYS: list[Way] = []


def way(name: str, expected: str, run: Callable[[], Any]) -> None:
    WAYS.append(Way(name, expected, run))


# -- classes that patch() does not reach


class Derived(_socket.socket):
    pass


def reloaded() -> Any:
    found = sys.modules.pop("socket")
    try:
        return importlib.import_module("socket").socket
    finally:
        sys.modules["socket"] = found


def copied() -> Any:
    spec = importlib.util.find_spec("socket")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.socket


def of_gevent() -> Any:
    return importlib.import_module("gevent.socket").socket


def of_eventlet() -> Any:
    return importlib.import_module("eventlet.green.socket").socket


CLASSES: dict[str, Callable[[], Any]] = {
    "_socket.socket": lambda: _socket.socket,
    "a subclass of it": lambda: Derived,
    "socket.SocketType": lambda: socket.SocketType,
    "the base of socket.socket": lambda: socket.socket.__base__,
    "a reloaded socket": reloaded,
    "a copy of socket": copied,
    "gevent": of_gevent,
    "eventlet": of_eventlet,
}


def connect_non_blocking(cls: Any) -> None:
    sock = cls()
    sock.setblocking(False)
    sock.connect(OUTSIDE)


def connect_ex(cls: Any) -> None:
    code = cls().connect_ex(OUTSIDE)
    if code:
        raise OSError(code, "a bypass of the module" if code == errno.EOPNOTSUPP else "?")


def over_descriptor(cls: Any) -> None:
    with closing(cls()) as sock:
        socket.socket(fileno=os.dup(sock.fileno())).connect(OUTSIDE)


UNREACHED: dict[str, Callable[[Any], Any]] = {
    "connect": lambda cls: cls().connect(OUTSIDE),
    "connect_ex": connect_ex,
    "connect without blocking": connect_non_blocking,
    "connect to a name": lambda cls: cls().connect(("localhost", PORT)),
    "bind": lambda cls: cls().bind(("127.0.0.1", 0)),
    "bind to any": lambda cls: cls().bind(("", 0)),
    "sendto": lambda cls: cls(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", OUTSIDE),
    "connect UDP": lambda cls: cls(socket.AF_INET, socket.SOCK_DGRAM).connect(OUTSIDE),
    "descriptor": over_descriptor,
}
for kind, made in CLASSES.items():
    for action, act in UNREACHED.items():
        way(f"{kind}: {action}", REFUSED, lambda made=made, act=act: act(made()))  # type: ignore[misc]

C = _socket.socket
UDP = (socket.AF_INET, socket.SOCK_DGRAM)
way("_socket.socket: sendmsg", REFUSED, lambda: C(*UDP).sendmsg([b"x"], (), 0, OUTSIDE))
way("_socket.socket: sendto with flags", REFUSED, lambda: C(*UDP).sendto(b"x", 0, OUTSIDE))
way("_socket.socket: IPv6", REFUSED, lambda: C(socket.AF_INET6).connect(("::1", PORT)))
way("_socket.socket: IPv4 in IPv6", REFUSED, lambda: C(socket.AF_INET6).connect(("::ffff:127.0.0.1", PORT)))
way("_socket.socket: UDP over IPv6", REFUSED, lambda: C(socket.AF_INET6, UDP[1]).sendto(b"x", ("::1", PORT)))
way("_socket.socket: bind IPv6", REFUSED, lambda: C(socket.AF_INET6).bind(("::", 0)))
way("_socket.socket: connect to ''", REFUSED, lambda: C().connect(("", PORT)))
way("_socket.socket: bytes for a host", REFUSED, lambda: C().connect((b"127.0.0.1", PORT)))
way("_socket.socket: broadcast", REFUSED, lambda: C(*UDP).connect(("<broadcast>", PORT)))
way("_socket.socket: fast open", REFUSED, lambda: C().sendto(b"x", socket.MSG_FASTOPEN, OUTSIDE))
way("_socket.socket: listen without bind", NAMED, lambda: C().listen())


# -- other families, kinds and protocols


FAMILIES = ("AF_PACKET", "AF_VSOCK", "AF_TIPC", "AF_RDS", "AF_QIPCRTR", "AF_INET6")
for family in FAMILIES:
    if hasattr(socket, family):
        number = getattr(socket, family)
        way(f"socket.socket({family})", REFUSED, lambda number=number: socket.socket(number, 2))  # type: ignore[misc]
        if number != socket.AF_INET6:
            way(f"_socket.socket({family})", REFUSED, lambda number=number: C(number, 2))  # type: ignore[misc]
way("AF_SMC, by number", REFUSED, lambda: socket.socket(43, socket.SOCK_STREAM))
way("AF_XDP, by number", REFUSED, lambda: socket.socket(44, socket.SOCK_RAW))
way("a raw socket", REFUSED, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
way("_socket.socket: raw", REFUSED, lambda: C(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
way("an ICMP socket", REFUSED, lambda: socket.socket(*UDP, socket.IPPROTO_ICMP))
way("SCTP", REFUSED, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132))
way("MPTCP", REFUSED, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
way("UDP-Lite", REFUSED, lambda: socket.socket(*UDP, 136))


# -- what is done to descriptors and virtual sockets


def exchanged() -> None:
    with closing(C()) as host, socket.socket() as virtual:
        os.dup2(host.fileno(), virtual.fileno())
        virtual.connect(OUTSIDE)


def received() -> None:
    one, other = socket.socketpair()
    with one, other, closing(C()) as host:
        socket.send_fds(one, [b"x"], [host.fileno()])
        _, descriptors, _, _ = socket.recv_fds(other, 1, 1)
        socket.socket(fileno=descriptors[0]).connect(OUTSIDE)


def with_udp(act: Callable[[socket.socket], Any]) -> Any:
    with socket.socket(*UDP) as sock:
        sock.settimeout(TIMEOUT_S)
        act(sock)
        return sock.recv(100) == b"x"


def connect_and_send() -> None:
    with socket.socket(*UDP) as sock:
        sock.connect(OUTSIDE)
        sock.send(b"x")


def detached() -> bool:
    first = socket.create_connection(OUTSIDE, TIMEOUT_S)
    with socket.socket(fileno=first.detach()) as second:
        return bool(second.getpeername())


def selected() -> None:
    with socket.socket() as sock:
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(OUTSIDE)
        select.select([], [sock], [], TIMEOUT_S)


def of_host(act: Callable[[_socket.socket], Any]) -> Any:
    with closing(C()) as sock:
        return act(sock)


def of_unused(act: Callable[[socket.socket], Any]) -> Any:
    with socket.socket() as sock:
        return act(sock)


way("a descriptor replaced by a host's", REFUSED, exchanged)
way("a descriptor received from another socket", REFUSED, received)
way(
    "fromfd over a host's",
    REFUSED,
    lambda: of_host(lambda sock: socket.fromfd(sock.fileno(), *UDP).connect(OUTSIDE)),
)
way("C method on a virtual socket", REFUSED, lambda: of_unused(lambda sock: C.connect(sock, OUTSIDE)))
way("C bind on a virtual socket", REFUSED, lambda: of_unused(lambda sock: C.bind(sock, OUTSIDE)))
way("C method on a virtual UDP socket", REFUSED, lambda: with_udp(lambda sock: C.sendto(sock, b"x", OUTSIDE)))
way("C object of AF_INET over a virtual socket", REFUSED,
    lambda: of_unused(lambda sock: C(2, 1, 0, os.dup(sock.fileno())).connect(OUTSIDE)))  # fmt: skip
way("super() of socket.socket", REFUSED,
    lambda: of_unused(lambda sock: super(socket.socket, sock).connect(OUTSIDE)))  # fmt: skip
way("create_connection", CARRIED, lambda: socket.create_connection(OUTSIDE, TIMEOUT_S).close())
way("create_connection to a name", CARRIED, lambda: socket.create_connection((NAME, PORT), TIMEOUT_S).close())
way("connect_ex", CARRIED, lambda: of_unused(lambda sock: sock.connect_ex(OUTSIDE)))
way("connect and select", CARRIED, selected)
way("dup, then connect", CARRIED, lambda: of_unused(lambda sock: sock.dup().connect(OUTSIDE)))
way("fromfd, then connect", CARRIED,
    lambda: of_unused(lambda sock: socket.fromfd(sock.fileno(), -1, -1).connect(OUTSIDE)))  # fmt: skip
way("detach and fileno=", CARRIED, detached)
way("UDP sendto", CARRIED, lambda: with_udp(lambda sock: sock.sendto(b"x", OUTSIDE)))
way("UDP sendmsg", CARRIED, lambda: with_udp(lambda sock: sock.sendmsg([b"x"], (), 0, OUTSIDE)))
way("UDP connect and send", CARRIED, connect_and_send)
way("a subclass of socket.socket", CARRIED,
    lambda: type("Mine", (socket.socket,), {})().connect(OUTSIDE))  # fmt: skip


# -- look-ups


def original(name: str) -> Any:
    return getattr(_socket, name).__wrapped__


way("_socket.getaddrinfo", CARRIED, lambda: _socket.getaddrinfo(NAME, 1)[0][4][0] == "127.0.0.1")
way("socket.getaddrinfo", CARRIED, lambda: socket.getaddrinfo(NAME, 1)[0][4][0] == "127.0.0.1")
way("gethostbyname", CARRIED, lambda: socket.gethostbyname(NAME) == "127.0.0.1")
way("gethostbyname_ex", CARRIED, lambda: socket.gethostbyname_ex(NAME)[2] == ["127.0.0.1"])
way("gethostbyaddr", CARRIED, lambda: socket.gethostbyaddr("127.0.0.1")[0] == "localhost")
way("getnameinfo", CARRIED, lambda: socket.getnameinfo(("192.0.2.1", 80), 0)[0] == "192.0.2.1")
way("getfqdn", CARRIED, lambda: socket.getfqdn("192.0.2.1") == "192.0.2.1")
way("the C getaddrinfo", REFUSED, lambda: original("getaddrinfo")("localhost", 1))
way("the C getaddrinfo, bytes", REFUSED, lambda: original("getaddrinfo")(b"localhost", 1))
way("the C gethostbyname", REFUSED, lambda: original("gethostbyname")("localhost"))
way("the C gethostbyname_ex", REFUSED, lambda: original("gethostbyname_ex")("localhost"))
way("the C gethostbyaddr", REFUSED, lambda: original("gethostbyaddr")("127.0.0.1"))
way("the C getnameinfo", REFUSED, lambda: original("getnameinfo")(("127.0.0.1", 80), 0))
way("gevent's look-up", CARRIED,
    lambda: importlib.import_module("gevent.socket").gethostbyname(NAME) == "127.0.0.1")  # fmt: skip


# -- the standard library


def imported(name: str) -> Any:
    return importlib.import_module(name)


def in_asyncio(main: Callable[[Any], Any], factory: Any = None) -> Any:
    asyncio = imported("asyncio")

    async def run() -> Any:
        return await main(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run())


def raw_non_blocking(*kind: int) -> Any:
    sock = C(*kind)
    sock.setblocking(False)
    return sock


def protocol() -> Any:
    return imported("asyncio").DatagramProtocol()


async def datagram_endpoint(loop: Any) -> None:
    """Its connect does not wait for the link of the module, which opens behind it."""
    asyncio, before = imported("asyncio"), links_opened()
    transport, _ = await loop.create_datagram_endpoint(protocol, remote_addr=OUTSIDE)
    async with asyncio.timeout(TIMEOUT_S):
        while links_opened() == before:
            await asyncio.sleep(0.01)
    transport.close()


def secured() -> None:
    context = imported("ssl").create_default_context()
    with context.wrap_socket(socket.socket(), server_hostname="localhost") as tls:
        tls.connect(LINES)


def logged(handler: Any) -> None:
    record = imported("logging").LogRecord("x", 20, "x", 1, "x", (), None)
    handler.handleError = lambda record: None
    handler.emit(record)
    handler.close()


def serves(server: Any) -> bool:
    """Whether the port that a server of this program has is the module's: a connection to it is carried."""
    with closing(server), socket.create_connection(("127.0.0.1", server.getsockname()[1]), TIMEOUT_S):
        return True


URL = f"http://127.0.0.1:{LINE_PORT}/"
STANDARD: dict[str, Callable[[], Any]] = {
    "http.client": lambda: imported("http.client").HTTPConnection(*LINES, TIMEOUT_S).request("GET", "/"),
    "urllib.request": lambda: imported("urllib.request").urlopen(URL, timeout=TIMEOUT_S),
    "urllib.robotparser": lambda: imported("urllib.robotparser").RobotFileParser(URL).read(),
    "smtplib": lambda: imported("smtplib").SMTP(*LINES, timeout=TIMEOUT_S),
    "smtplib.LMTP": lambda: imported("smtplib").LMTP(*LINES, timeout=TIMEOUT_S),
    "ftplib": lambda: imported("ftplib").FTP().connect(*LINES, TIMEOUT_S),
    "poplib": lambda: imported("poplib").POP3(*LINES, TIMEOUT_S),
    "imaplib": lambda: imported("imaplib").IMAP4(*LINES, TIMEOUT_S),
    "xmlrpc.client": lambda: imported("xmlrpc.client").ServerProxy(URL).call(),
    "multiprocessing.connection": lambda: imported("multiprocessing.connection").Client(LINES),
    "multiprocessing.managers": lambda: (
        imported("multiprocessing.managers").BaseManager(LINES, b"key").connect()
    ),
    "ssl.wrap_socket": secured,
    "ssl.get_server_certificate": lambda: imported("ssl").get_server_certificate(LINES, timeout=TIMEOUT_S),
    "logging: SocketHandler": lambda: logged(imported("logging.handlers").SocketHandler(*OUTSIDE)),
    "logging: DatagramHandler": lambda: logged(imported("logging.handlers").DatagramHandler(*OUTSIDE)),
    "logging: SysLogHandler": lambda: logged(imported("logging.handlers").SysLogHandler(OUTSIDE)),
    "logging: HTTPHandler": lambda: logged(
        imported("logging.handlers").HTTPHandler(f"127.0.0.1:{LINE_PORT}", "/")
    ),
    "asyncio: open_connection": lambda: in_asyncio(
        lambda loop: loop.create_connection(imported("asyncio").Protocol, *OUTSIDE)
    ),
    "asyncio: datagram endpoint": lambda: in_asyncio(datagram_endpoint),
    "asyncio: getaddrinfo": lambda: bool(in_asyncio(lambda loop: loop.getaddrinfo(NAME, 1))),
    "create_server": lambda: serves(socket.create_server(("", 0))),
}
for name, call in STANDARD.items():
    way(name, CARRIED, call)
if importlib.util.find_spec("telnetlib"):
    way("telnetlib", CARRIED, lambda: imported("telnetlib").Telnet(*LINES, TIMEOUT_S))
way("asyncio: sock_connect of a C socket", REFUSED,
    lambda: in_asyncio(lambda loop: loop.sock_connect(raw_non_blocking(), OUTSIDE)))  # fmt: skip
way("asyncio: sock_sendto of a C socket", REFUSED,
    lambda: in_asyncio(lambda loop: loop.sock_sendto(raw_non_blocking(*UDP), b"x", OUTSIDE)))  # fmt: skip


# -- other people's libraries

LIBRARIES: dict[str, Callable[[], Any]] = {
    "requests": lambda: imported("requests").get(URL, timeout=TIMEOUT_S),
    "urllib3": lambda: imported("urllib3").PoolManager().request("GET", URL, retries=False),
    "httpx": lambda: imported("httpx").get(URL, timeout=TIMEOUT_S, trust_env=False),
    "aiohttp": lambda: in_asyncio(aiohttp_gets),
    "redis": lambda: imported("redis").Redis(*LINES, retry=None).ping(),
    "paho": lambda: (
        imported("paho.mqtt.client")
        .Client(imported("paho.mqtt.client").CallbackAPIVersion.VERSION2)
        .connect(*LINES)
    ),
    "websockets": lambda: imported("websockets.sync.client").connect(f"ws://127.0.0.1:{LINE_PORT}/"),
    "paramiko": lambda: imported("paramiko").Transport(LINES),
    "trio": lambda: imported("trio").run(imported("trio").open_tcp_stream, *OUTSIDE),
    "anyio": lambda: imported("anyio").run(imported("anyio").connect_tcp, *OUTSIDE),
}


async def aiohttp_gets(loop: Any) -> None:
    async with imported("aiohttp").ClientSession() as session, session.get(URL):
        pass


for name, call in LIBRARIES.items():
    way(name, CARRIED, call)


# -- uvloop, gevent and eventlet


def in_uvloop(main: Callable[[Any], Any]) -> Any:
    return in_asyncio(main, imported("uvloop").new_event_loop)


def in_uvloops_c_class(main: Callable[[Any], Any]) -> Any:
    return in_asyncio(main, imported("uvloop.loop").Loop)


def tcp_protocol() -> Any:
    return imported("asyncio").Protocol()


for name, runs in {"uvloop": in_uvloop, "uvloop.loop.Loop": in_uvloops_c_class}.items():
    way(f"{name}: connection", CARRIED,
        lambda runs=runs: runs(lambda loop: loop.create_connection(tcp_protocol, *OUTSIDE)))  # type: ignore[misc]  # fmt: skip
    way(f"{name}: look-up", CARRIED, lambda runs=runs: bool(runs(lambda loop: loop.getaddrinfo(NAME, 1))))  # type: ignore[misc]
    way(f"{name}: server", REFUSED,
        lambda runs=runs: runs(lambda loop: loop.create_server(tcp_protocol, "127.0.0.1", 0)))  # type: ignore[misc]  # fmt: skip
    way(f"{name}: IPv6 server", REFUSED,
        lambda runs=runs: runs(lambda loop: loop.create_server(tcp_protocol, "::1", 0)))  # type: ignore[misc]  # fmt: skip
    way(f"{name}: datagram endpoint", REFUSED,
        lambda runs=runs: runs(lambda loop: loop.create_datagram_endpoint(protocol, remote_addr=OUTSIDE)))  # type: ignore[misc]  # fmt: skip
    way(f"{name}: sock_connect of a C socket", REFUSED,
        lambda runs=runs: runs(lambda loop: loop.sock_connect(raw_non_blocking(), OUTSIDE)))  # type: ignore[misc]  # fmt: skip
way("gevent.monkey.patch_all", REFUSED, lambda: imported("gevent.monkey").patch_all())
way("gevent.monkey.patch_socket", REFUSED, lambda: imported("gevent.monkey").patch_socket())
way("eventlet.monkey_patch", REFUSED, lambda: imported("eventlet").monkey_patch())


# -- started programs

PYTHON = sys.executable
CONNECT = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), {TIMEOUT_S}).close()"
CHILD = [PYTHON, "-c", CONNECT]


def connect() -> None:
    socket.create_connection(OUTSIDE, TIMEOUT_S).close()


def spawned(method: str) -> None:
    process = imported("multiprocessing").get_context(method).Process(target=connect)
    process.start()
    process.join()


def executor() -> None:
    futures = imported("concurrent.futures")
    with futures.ProcessPoolExecutor(1, imported("multiprocessing").get_context("spawn")) as pool:
        pool.submit(connect).result()


def script() -> None:
    path = os.path.join(FOLDER, "script")
    with open(path, "w") as file:
        file.write(f"#!{PYTHON}\n{CONNECT}\n")
    os.chmod(path, 0o700)
    imported("subprocess").run([path], check=True)


def shell(command: str) -> None:
    if os.system(command):
        raise OSError("the command failed")


def ends_well(child: int) -> None:
    if os.waitpid(child, 0)[1]:
        raise OSError("the child failed")


def replaced(replace: Callable[[], object]) -> None:
    """A forked child becomes another program."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            replace()
        os._exit(1)
    ends_well(child)


async def asyncio_child(_: Any) -> None:
    process = await imported("asyncio").create_subprocess_exec(*CHILD)
    if await process.wait():
        raise OSError("the child failed")


def run(*words: str, **options: Any) -> None:
    imported("subprocess").run(words, check=True, **options)


SHELL_LINE = f"cd / && {shlex.join(CHILD)}"
way("subprocess.run", CARRIED, lambda: run(*CHILD))
way("subprocess: shell=True", CARRIED, lambda: run(SHELL_LINE, shell=True))
way("subprocess: env", CARRIED, lambda: run("env", "X=1", *CHILD))
way("subprocess: an environment of its own", CARRIED, lambda: run(*CHILD, env={}))
way("subprocess: a script", CARRIED, script)
way("subprocess: close_fds=False", CARRIED, lambda: run(*CHILD, close_fds=False))
way("os.system", CARRIED, lambda: shell(SHELL_LINE))
way("os.popen", CARRIED, lambda: os.popen(SHELL_LINE).close())
way("os.execv", CARRIED, lambda: replaced(lambda: os.execv(PYTHON, CHILD)))
way("os.execve: an environment of its own", CARRIED, lambda: replaced(lambda: os.execve(PYTHON, CHILD, {})))
way("os.posix_spawn: an environment of its own", CARRIED,
    lambda: ends_well(os.posix_spawn(PYTHON, CHILD, {})))  # fmt: skip
way("multiprocessing: spawn", CARRIED, lambda: spawned("spawn"))
way("multiprocessing: forkserver", CARRIED, lambda: spawned("forkserver"))
way("ProcessPoolExecutor: spawn", CARRIED, executor)
way("asyncio: a child", CARRIED, lambda: in_asyncio(asyncio_child))
for name, runs in {"uvloop": in_uvloop, "uvloop.loop.Loop": in_uvloops_c_class}.items():
    way(f"{name}: a child", CARRIED, lambda runs=runs: runs(asyncio_child))  # type: ignore[misc]
for option in ("-I", "-E", "-S"):
    way(f"subprocess: python {option}", REFUSED,
        lambda option=option: run(PYTHON, option, "-c", CONNECT))  # type: ignore[misc]  # fmt: skip
way("subprocess: env -i", REFUSED, lambda: run("env", "-i", *CHILD))
way("os.system: python -I", REFUSED, lambda: shell(f"true && {PYTHON} -I -c 1"))
way("os.execv: python -I", REFUSED, lambda: os.execv(PYTHON, [PYTHON, "-I", "-V"]))
way("multiprocessing: the resource tracker", CARRIED,
    lambda: bool(imported("multiprocessing").get_context("spawn").Semaphore()))  # fmt: skip
way("another program", NAMED,
    lambda: imported("subprocess").run(
        ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{NAMED_PORT}"], check=True))  # fmt: skip


# -- beside Python


def by_ctypes() -> None:
    ctypes = imported("ctypes")
    with closing(C()) as sock:
        address = (socket.AF_INET).to_bytes(2, sys.byteorder) + NAMED_PORT.to_bytes(2, "big")
        ctypes.CDLL(None).connect(sock.fileno(), address + socket.inet_aton("127.0.0.1") + bytes(8), 16)


def of_subinterpreter() -> None:
    interpreters = next(
        imported(name) for name in ("_interpreters", "_xxsubinterpreters") if importlib.util.find_spec(name)
    )
    try:
        interpreters.create()
    except RuntimeError as error:  # what the hook said is on stderr
        raise RuntimeError(f"{error}: a subinterpreter would bypass the module") from error


way("ctypes", NAMED, by_ctypes)
way("a library in C", NAMED, lambda: exec("import pycurl"))
way("a subinterpreter", REFUSED, of_subinterpreter)


# -- a forked child


def forked(act: Callable[[], Any]) -> None:
    """Raises what the child raised, with its text."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            os.write(writer, (try_it(act) or "it went through").encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as answer:
        raise OSError(answer.read().decode())


def try_it(act: Callable[[], Any]) -> str | None:
    try:
        act()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return None


def forked_well(act: Callable[[], Any]) -> bool:
    """Whether it goes well in a child."""
    child = os.fork()
    if not child:
        os._exit(try_it(act) is not None)
    ends_well(child)
    return True


def connect_one_made_before() -> None:
    with socket.socket() as sock:
        forked_well(lambda: sock.connect(OUTSIDE))


IN_CHILD: dict[str, Callable[[], Any]] = {
    "connect": lambda: socket.create_connection(OUTSIDE, TIMEOUT_S),
    "UDP": lambda: socket.socket(*UDP).sendto(b"x", OUTSIDE),
    "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "look-up": lambda: socket.getaddrinfo(NAME, 1),
    "http.client": lambda: imported("http.client").HTTPConnection(*LINES).request("GET", "/"),
    "asyncio": lambda: in_asyncio(lambda loop: loop.create_connection(tcp_protocol, *OUTSIDE)),
}
for name, call in IN_CHILD.items():
    way(f"a forked child: {name}", CARRIED, lambda call=call: forked_well(call))  # type: ignore[misc]
UNREACHED_IN_CHILD: dict[str, Callable[[], Any]] = {
    "_socket.socket": lambda: C().connect(OUTSIDE),
    "_socket.socket, UDP": lambda: C(*UDP).sendto(b"x", OUTSIDE),
    "the C getaddrinfo": lambda: original("getaddrinfo")("localhost", 1),
}
for name, call in UNREACHED_IN_CHILD.items():
    way(f"a forked child: {name}", REFUSED, lambda call=call: forked(call))  # type: ignore[misc]


way("a forked child: a socket made before", CARRIED, connect_one_made_before)


# -- after detach, and at exit


def detach() -> None:
    import esp32sock

    esp32sock.detach()


AFTERWARDS: dict[str, Callable[[], Any]] = {
    "connect": lambda: socket.create_connection(OUTSIDE, TIMEOUT_S),
    "UDP": lambda: socket.socket(*UDP).sendto(b"x", OUTSIDE),
    "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "look-up": lambda: socket.getaddrinfo(NAME, 1),
    "_socket.socket": lambda: C().connect(OUTSIDE),
    "the C getaddrinfo": lambda: original("getaddrinfo")("localhost", 1),
}
first_after_detach = next(iter(AFTERWARDS))
for name, call in AFTERWARDS.items():
    way(f"after detach: {name}", REFUSED, call)


def links_opened() -> int:
    import esp32sock

    return esp32sock.default().stats()["links_opened"]


def report(**facts: Any) -> None:
    os.write(1, (json.dumps(facts) + "\n").encode())


def try_all() -> None:
    is_attached, links = True, links_opened()
    for each in WAYS:
        if each.name.startswith("after detach") and is_attached:
            is_attached = False
            detach()
        answer, error = None, None
        try:
            answer = each.run() is True
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
        if each.expected == CARRIED:
            gc.collect()  # what a failed attempt keeps in a cycle holds a link
        now = links_opened() if is_attached else links
        import time

        report(s=time.perf_counter(), way=each.name, links=now - links, answer=answer, error=error)
        links = now


def go_on_at_exit() -> None:
    """A daemon thread that connects for as long as there is an interpreter."""

    def connect() -> None:
        while True:
            for act in (AFTERWARDS["connect"], AFTERWARDS["_socket.socket"], AFTERWARDS["UDP"]):
                with suppress(OSError):
                    act()
                    report(way="a daemon thread at exit", links=0, answer=None, error=None)

    threading.Thread(target=connect, daemon=True).start()


def at_exit() -> None:
    for act in (AFTERWARDS["connect"], AFTERWARDS["_socket.socket"]):
        report(way="at exit", links=0, answer=None, error=try_it(act))


if __name__ == "__main__":
    atexit.register(at_exit)
    try_all()
    go_on_at_exit()
