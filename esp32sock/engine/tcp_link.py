"""Opening a TCP or SSL link, running it, and closing it: the life of one stream from request to end."""

from __future__ import annotations

import errno
import logging
from contextlib import nullcontext
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import trio

from esp32sock._address_text import address_text
from esp32sock.at.commands import ssl, tcpip
from esp32sock.at.commands.validation import MAX_WITHIN_MS
from esp32sock.at.state import LinkState
from esp32sock.engine.link_announcements import announced_link
from esp32sock.engine.link_closing import close_link, drop_link
from esp32sock.engine.link_ends import abandoned, detached
from esp32sock.engine.link_preparing import prepared
from esp32sock.engine.reconcile import expect_listed
from esp32sock.engine.repeating import list_links
from esp32sock.engine.requests import StreamOpened
from esp32sock.engine.tcp_pump import StreamPump
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from esp32sock.engine.context import Context
    from esp32sock.engine.requests import Address, EndEvents, LinkHolder, StreamRequest
    from esp32sock.engine.tls_setup import TlsConfigurator

log = logging.getLogger("esp32sock")

REFUSED_WITHIN_S = 8.0
"""A refused connection fails at once, an unreachable one after about 9 s (observed 2.0) or more."""


async def run_stream(context: Context, request: StreamRequest) -> None:
    """The whole life of one stream; every outcome goes to its events, none is raised."""
    pump: StreamPump | None = None
    error = Error("the connection attempt was cancelled", errno=errno.ECONNABORTED)
    try:
        with request.opening.scope:
            pump, local = await _open(context, request)
    except Error as caught:
        error = caught
    except ValueError as caught:
        error = Error(str(caught), errno=errno.EINVAL)
    except trio.TooSlowError:
        error = (not context.is_ready and context.unavailable()) or Error(
            f"connecting to {address_text(*request.remote)} took longer than {request.timeout} s",
            errno=errno.ETIMEDOUT,
        )
    finally:
        if pump is None:  # also when the module ends meanwhile; the end is its owner's again
            request.failed(error)
    if pump is None:
        return
    log.info("link %d to %s is open", pump.link_id, address_text(*request.remote))
    request.opened(StreamOpened(pump.link_id, local, request.remote))
    request.opening.opened(partial(pump.fail, abandoned()))
    await pump_to_the_end(context, pump, request, request.filler_bytes)


async def _open(context: Context, request: StreamRequest) -> tuple[StreamPump, Address]:
    """A link that is open, with a pump on it that keeps what arrives; the local address."""
    tls = request.options.tls
    timeout = float("inf") if request.timeout is None else request.timeout
    deadline = trio.current_time() + timeout
    with trio.fail_at(deadline):
        channel = await context.ready()
        if tls is not None:
            context.tls.refuse_impossible(tls, passive=context.receive_mode.passive)
        await context.wait_for_network(request.remote[0])
        if request.replaces is not None:
            await _retire(context, request.replaces)
    pool = context.pool
    wait_s = float("inf") if request.wait_for_link_s is None else request.wait_for_link_s
    wait_s = min(wait_s, timeout)
    if context.server is not None and context.is_own(request.remote[0]):
        await pool.server_has_room(wait_s)
    link_id = await pool.take(wait_s, secure=tls is not None)
    pump = StreamPump(
        channel,
        pool,
        link_id,
        request.end,
        half_close_s=context.options.half_close_s,
        account=context.account,
        looks=context.receive_mode.looks,
    )
    pool.use(pump, f"{'TCP' if tls is None else 'SSL'} to {address_text(*request.remote)}")
    try:
        with trio.fail_at(deadline):
            configurator = context.tls  # after a restart there is another one
            async with nullcontext() if tls is None else configurator.prepared(channel, link_id, tls):
                local_port = await _connect(context, link_id, request, configurator, deadline)
            if context.server is not None and context.is_own(request.remote[0]):
                # So that a program finds its own connection in the backlog.
                await context.server.all_announced()
                if tls is None:  # with TLS the two ends count different bytes
                    pool.pair_loopback(local_port, pump)
        return pump, (context.local_ip(request.remote[0]), local_port)
    except BaseException:
        pump.discard()
        drop_link(context, pump)
        raise


async def _retire(context: Context, replaced: LinkHolder) -> None:
    """Close a link over which nothing went; Error(EISCONN) if something did."""
    link_id = replaced.link_id
    pump = None if link_id is None else context.pool.pumps.get(link_id)
    if not isinstance(pump, StreamPump) or not pump.running:
        raise Error("the connection was closed before TLS began", errno=errno.ECONNRESET)
    if pump.was_used:
        raise Error(
            f"link {link_id} has carried bytes already, and the module begins TLS only with a connection: "
            "what upgrades a running one (STARTTLS) needs TLS on the host",
            errno=errno.EISCONN,
        )
    pump.fail(Error("TLS begins on a link of its own", errno=errno.ECONNABORTED))
    await context.pool.wait_released(pump)


def _leads_to_itself(context: Context, host: str) -> bool:
    """Whether the module's own server may be the peer: that link comes up behind the OK, and before the
    answer to whatever is asked next.
    """
    return context.server is not None and context.is_own(host)


async def _connect(
    context: Context, link_id: int, request: StreamRequest, configurator: TlsConfigurator, deadline: float
) -> int:
    """CIPSTART, and what the module announces or lists then: the local port, 0 if it is closed already."""
    host, port = request.remote
    tls = request.options.tls
    started = trio.current_time()
    channel = context.channel
    links = channel.session.links
    try:
        opening = tcpip.OpenTcp if tls is None else ssl.OpenSsl
        async with prepared(context, channel, link_id, host, stream=True):
            if tls is not None:
                configurator.check()
            keepalive_s = request.options.keepalive_s
            await channel.execute_exclusive(opening(link_id, host, port, keepalive_s, _within_ms(deadline)))
            context.link_options.opened(link_id, keepalive_s)
            await context.link_options.apply(channel, link_id, request.options)
        announced = announced_link(links, link_id, "TCP" if tls is None else "SSL", request.remote)
        if announced is not None and not _leads_to_itself(context, host):
            context.pool.listed[link_id] = announced
            return announced.local_port
        listed = await list_links(channel)
        if links.needs_confirmation(link_id):
            links.confirm(link_id, listed=listed is None or link_id in listed)
            if links[link_id].state is LinkState.FREE:
                raise CommandError("AT+CIPSTART", "OK, but it does not list the link")
        if listed is None or link_id not in listed:
            expect_listed(context, link_id, listed)
            return 0
        context.pool.listed[link_id] = listed[link_id]
        return listed[link_id].local_port
    except CommandError as error:
        if error.errno == errno.EIO:
            quick = trio.current_time() - started < REFUSED_WITHIN_S
            refused = errno.ECONNREFUSED if tls is None else errno.EPROTO
            error.errno = refused if quick else errno.ETIMEDOUT
            await context.verify_network(host)
        error.add_note(f"while connecting link {link_id} to {address_text(*request.remote)}")
        raise


def _within_ms(deadline: float) -> int | None:
    """What is left until then, as CIPSTART takes it: the module is not to try for longer."""
    left_ms = (deadline - trio.current_time()) * 1000
    return None if left_ms > MAX_WITHIN_MS else max(1, ceil(left_ms))


async def pump_to_the_end(
    context: Context, pump: StreamPump, events: EndEvents, filler_bytes: int = 0
) -> None:
    """Carry an open stream until it has ended, say so, and close both of its sides."""
    context.counters.links_opened += 1
    error: Error | None = detached()
    try:
        error = await pump.run(filler_bytes)
    finally:  # also when the module ends meanwhile
        context.counters.add(pump)
        events.ended(error)
        lingers = error is None and pump.shut_writing()
        if not lingers:
            pump.close_end()
    context.counters.note_end(error)
    log.info("link %d ended: %s", pump.link_id, "closed" if error is None else error)
    if lingers:
        context.tasks.linger(pump)
    await close_link(context, pump)
