"""Opening a TCP or SSL link, running it, and closing it: the life of one stream from request to end."""

from __future__ import annotations

import errno
import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import trio

from esp32sock.at.commands import ssl, tcpip
from esp32sock.at.commands.tcpoptions import TcpOptions
from esp32sock.at.state import LinkState
from esp32sock.engine.tcp_pump import StreamPump, detached
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    import _socket

    from esp32sock.at.tls import TlsOptions
    from esp32sock.engine.engine import Engine
    from esp32sock.engine.link_pool import Pump
    from esp32sock.engine.tls_setup import TlsConfigurator

Address = tuple[str, int]

log = logging.getLogger("esp32sock")

PEER_CLOSES_S = 0.05
"""How long an accepted link is left to its peer, who mostly closes when the application does: a CIPCLOSE
still on the wire when the module gives the id to the next client (at-dialects 7.9) would end that one's."""
REFUSED_WITHIN_S = 8.0
"""A refused connection fails at once, an unreachable one after about 9 s (observed 2.0) or more."""


class StreamListener(Protocol):
    """Who is told how a stream fares; called before its descriptor shows the same."""

    def opened(self, link_id: int, local: Address, remote: Address) -> None: ...
    def failed(self, error: Error) -> None: ...
    def ended(self, error: Error | None) -> None: ...


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What the module can be asked for on a TCP link; None leaves its own default."""

    keepalive_s: int | None = None
    nodelay: bool | None = None
    linger_s: int | None = None
    send_timeout_ms: int | None = None

    @property
    def need_a_command(self) -> bool:
        """Whether CIPSTART alone does not say it: NODELAY off, no linger and no time-out are the defaults."""
        return bool(self.nodelay) or self.linger_s not in (None, -1) or bool(self.send_timeout_ms)


NO_OPTIONS = LinkOptions()


class Replaced(Protocol):
    """An open stream that is to make place for another one."""

    @property
    def link_id(self) -> int | None:
        """Its link, None once that has ended."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A TCP connection somebody wants, and the end of the pair it is to be joined to.

    With `tls` the module does TLS on it. `replaces` is a stream over which nothing went yet: it is closed
    before the new link is opened, but not before it is known that this firmware can do what is asked.
    """

    end: _socket.socket
    remote: Address
    listener: StreamListener
    filler_bytes: int = 0
    timeout: float | None = None
    wait_for_link_s: float | None = 0.0
    options: LinkOptions = NO_OPTIONS
    tls: TlsOptions | None = None
    replaces: Replaced | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Cancelled by whoever does not want the connection any more while it is opening."""


async def run_stream(module: Engine, request: StreamRequest) -> None:
    """The whole life of one stream; every outcome is told to its listener, none is raised."""
    pump: StreamPump | None = None
    error = Error("nobody waits for this connection any more", errno=errno.ECONNABORTED)
    try:
        with request.scope:
            pump, local = await _open(module, request)
    except Error as caught:
        error = caught
    except ValueError as caught:
        error = Error(str(caught), errno=errno.EINVAL)
    except trio.TooSlowError:
        error = Error(f"connecting to {_text(request.remote)} took longer than {request.timeout} s")
        error.errno = errno.ETIMEDOUT
    finally:
        if pump is None:  # also when the module ends meanwhile; the end is its owner's again
            request.listener.failed(error)
    if pump is None:
        return
    request.listener.opened(pump.link_id, local, request.remote)
    await pump_to_the_end(module, pump, request.listener, request.filler_bytes)


async def _open(module: Engine, request: StreamRequest) -> tuple[StreamPump, Address]:
    """A link that is open, with a pump on it that keeps what arrives; the local address."""
    timeout = float("inf") if request.timeout is None else request.timeout
    deadline = trio.current_time() + timeout
    with trio.fail_at(deadline):
        dialogue = await module.ready()
        if request.tls is not None:
            module.securing.refuse_impossible(request.tls, passive=module.receiving.passive)
        await module.wait_for_network(request.remote[0])
        if request.replaces is not None:
            await _retire(module, request.replaces)
    pool = module.pool
    wait_s = float("inf") if request.wait_for_link_s is None else request.wait_for_link_s
    wait_s = min(wait_s, timeout)
    if module.server is not None and module.is_own(request.remote[0]):
        await pool.server_has_room(wait_s)
    link_id = await pool.take(wait_s, secure=request.tls is not None)
    pump = StreamPump(
        dialogue,
        pool,
        link_id,
        request.end,
        half_close_s=module.options.half_close_s,
        account=module.account,
        passive=module.receiving.passive,
    )
    pool.pumps[link_id] = pump
    try:
        with trio.fail_at(deadline):
            await module.receiving.prepare(dialogue, link_id, stream=True)
            tls, securing = request.tls, module.securing
            async with nullcontext() if tls is None else securing.prepared(dialogue, link_id, tls):
                local_port = await _connect(module, link_id, request, securing)
            if module.server is not None and module.is_own(request.remote[0]):
                await module.server.all_announced()  # who connects to himself finds it in the backlog
                if request.tls is None:  # with TLS the two ends count different bytes
                    pool.pair_loopback(local_port, pump)
        return pump, (module.local_ip(request.remote[0]), local_port)
    except BaseException:
        pump.discard()
        drop_link(module, pump)
        raise


async def _retire(module: Engine, replaced: Replaced) -> None:
    """Close a link over which nothing went; Error(EISCONN) if something did."""
    link_id = replaced.link_id
    pump = None if link_id is None else module.pool.pumps.get(link_id)
    if not isinstance(pump, StreamPump) or not pump.running:
        raise Error("the connection was closed before TLS began", errno=errno.ECONNRESET)
    if pump.was_used:
        raise Error(
            f"link {link_id} has carried bytes already, and the module begins TLS only with a connection: "
            "what upgrades a running one (STARTTLS) needs TLS on the host",
            errno=errno.EISCONN,
        )
    pump.fail(Error("TLS begins on a link of its own", errno=errno.ECONNABORTED))
    await module.pool.given_back(pump)


async def _connect(module: Engine, link_id: int, request: StreamRequest, securing: TlsConfigurator) -> int:
    """CIPSTART, and what the module lists then: the local port, 0 if the link is gone already."""
    host, port = request.remote
    started = trio.current_time()
    dialogue = module.dialogue
    links = dialogue.session.links
    try:
        opening = tcpip.OpenTcp if request.tls is None else ssl.OpenSsl
        async with dialogue.turn():
            if request.tls is not None:
                securing.check()
            await dialogue.execute_exclusive(opening(link_id, host, port, request.options.keepalive_s))
        if request.options.need_a_command:
            await set_link_options(module, link_id, request.options)
        listed = {link.link_id: link for link in await dialogue.execute(tcpip.Links())}
        if links.needs_confirmation(link_id):
            links.confirm(link_id, listed=link_id in listed)
            if links[link_id].state is LinkState.FREE:
                raise CommandError("AT+CIPSTART", "OK, but it lists no such link")
        return listed[link_id].local_port if link_id in listed else 0
    except CommandError as error:
        if error.errno == errno.EIO:
            quick = trio.current_time() - started < REFUSED_WITHIN_S
            refused = errno.ECONNREFUSED if request.tls is None else errno.EPROTO
            error.errno = refused if quick else errno.ETIMEDOUT
        error.add_note(f"while connecting link {link_id} to {_text(request.remote)}")
        raise


async def set_link_options(module: Engine, link_id: int, options: LinkOptions) -> None:
    """Ask for what the firmware can give; before 2.1 it has no such command, and the defaults stay."""
    if not module.firmware.at_least(2, 1):
        return
    command = TcpOptions(
        link_id,
        -1 if options.linger_s is None else options.linger_s,
        bool(options.nodelay),
        options.send_timeout_ms or 0,
        options.keepalive_s,
    )
    try:
        await module.dialogue.execute(command)
    except CommandError as error:
        log.debug("link %d keeps its defaults: %s", link_id, error)


async def pump_to_the_end(
    module: Engine, pump: StreamPump, listener: StreamListener, filler_bytes: int = 0
) -> None:
    """Carry an open stream until it has ended, say so, and close both of its sides."""
    module.counters.links_opened += 1
    error: Error | None = detached()
    try:
        error = await pump.run(filler_bytes)
    finally:  # also when the module ends meanwhile
        module.counters.add(pump)
        listener.ended(error)
        lingers = error is None and pump.shut_writing()
        if not lingers:
            pump.close_end()
    if lingers:
        module.linger(pump)
    await close_link(module, pump)


def drop_link(module: Engine, pump: Pump) -> None:
    """Its opening failed, or nobody waits for it any more: the id is given back, once the link is closed."""
    if _may_be_open(module, pump):
        module.begin(close_link, module, pump)
    elif _is_its(module, pump):
        module.pool.give_back(pump)


async def close_link(module: Engine, pump: Pump) -> None:
    """Close the link on the module, if it is still this pump's, and give the id back.

    Looked at again once it is our turn: the server may have given the id to somebody else meanwhile.
    """
    if not _is_its(module, pump):
        return
    if module.pool.was_accepted(pump):
        with trio.move_on_after(PEER_CLOSES_S):
            await module.pool.given_back(pump)
            return
    try:
        dialogue = module.dialogue
        async with dialogue.turn():
            if _may_be_open(module, pump):
                dialogue.session.links.confirm(pump.link_id, listed=True)  # CIPCLOSE tells
                await dialogue.execute_exclusive(tcpip.Close(pump.link_id))
    except Error:
        pass  # it was closed by the peer meanwhile, or the module is gone: both are what was wanted
    finally:
        if _is_its(module, pump):
            module.pool.give_back(pump)


def _is_its(module: Engine, pump: Pump) -> bool:
    """Whether the link with this id is still this pump's."""
    return module.is_open and module.pool.pumps.get(pump.link_id) is pump


def _may_be_open(module: Engine, pump: Pump) -> bool:
    """Whether it is, and open on the module; one that needs confirmation may be."""
    if not _is_its(module, pump):
        return False
    links = module.dialogue.session.links
    return links[pump.link_id].state is LinkState.OPEN or links.needs_confirmation(pump.link_id)


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
