"""The host's end of a module in memory whose network is this machine's, and TLS servers for it."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, suppress

import trio

from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.network.host import HostNetwork
from esp32sock.simulator.runtime.runner import open_module

LIMIT_S = 30


class Host:
    """The host's end of a module in memory, its network this machine's."""

    def __init__(self, opened, network):
        self.stream = opened.stream
        self.module = opened.module
        self.network = network
        self.seen = b""

    async def until(self, end):
        with trio.fail_after(LIMIT_S):
            while end not in self.seen:
                self.seen += await self.stream.receive_some()
        said, _, rest = self.seen.partition(end)
        self.seen = rest
        return said + end

    async def do(self, *lines):
        for line in lines:
            await self.stream.send_all(line.encode() + b"\r\n")
            await self.until(b"OK\r\n")

    async def refused(self, line):
        await self.stream.send_all(line.encode() + b"\r\n")
        await self.until(b"\r\nERROR\r\n")

    async def send(self, payload, *fields):
        words = ",".join((*map(str, fields[:1]), str(len(payload)), *map(str, fields[1:])))
        await self.stream.send_all(f"AT+CIPSEND={words}\r\n".encode())
        await self.until(b">")
        await self.stream.send_all(payload)
        await self.until(b"SEND OK\r\n")


def module_on_this_machine(profile="2.4", **settings):
    network = HostNetwork()

    class Manager:
        async def __aenter__(self):
            self.inner = open_module(Settings(profile=profile, **settings), network)
            host = Host(await self.inner.__aenter__(), network)
            await host.do("ATE0", "AT+CIPMUX=1")
            return host

        async def __aexit__(self, *error):
            return await self.inner.__aexit__(*error)

    return Manager()


# TLS

NOW = 2_000_000_000
"""May 2033: what the module is told, whatever this machine thinks."""

CLOCK = f"AT+SYSTIMESTAMP={NOW}"
VERIFY = "AT+CIPSSLCCONF=0,2,0,0"


def pem(authority):
    return authority.cert_pem.bytes().decode()


def trusting(authority):
    """The settings of a module that has this authority in slot 0."""
    return {"certificates": (("client_ca.0", pem(authority)),)}


@asynccontextmanager
async def tls_server(authority, name="localhost", *, alpn=(), clients=None, seen=None, **validity):
    """A TLS echo server; the words that CIPSTART needs. `seen` gets what each handshake was about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **validity).configure_cert(context)
    if alpn:
        context.set_alpn_protocols(alpn)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients)
    heard = {} if seen is None else seen

    def remember_name(_socket, server_name, _context):
        heard["sni"] = server_name

    context.sni_callback = remember_name

    async def echo(stream):
        secure = trio.SSLStream(stream, context, server_side=True)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await secure.do_handshake()
            heard["alpn"] = secure.selected_alpn_protocol()
            heard["client"] = secure.getpeercert()
            while data := await secure.receive_some(65536):
                await secure.send_all(data)
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, echo, listeners)
        yield f'AT+CIPSTART=0,"SSL","10.0.2.2",{listeners[0].socket.getsockname()[1]}'
        nursery.cancel_scope.cancel()


async def opens(host, line, expected=True):
    await (host.do(line) if expected else host.refused(line))
