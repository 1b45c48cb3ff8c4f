"""AT+CIPSSLC...: how SSL links are configured (at-dialects 7.4, 7.11)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.ciphers import CIPHERS
from esp32sock.simulator.firmware.commands.params import decode, encode
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.link import ALL_LINKS, LINK_COUNT
from esp32sock.simulator.firmware.results import refuse_if

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.state_tcpip import SslOptions

NAME_BYTES = 64
PSK_BYTES = 32
"""At-dialects 9."""

_HEX = re.compile(r"([0-9a-fA-F]{2})+\Z")


def _read_links(call: Call) -> range:
    """Which links a configuration is for: an id with CIPMUX=1 from 2.2 on, always before."""
    per_link = call.profile.tcpip.per_link
    if per_link and not call.state.mux:
        return call.state.chosen(0)
    return call.state.chosen(call.arguments.integer(0, ALL_LINKS))


def _shown(call: Call) -> range:
    return range(1) if call.profile.tcpip.per_link and not call.state.mux else range(LINK_COUNT)


def _set(call: Call, links: range, change: Callable[[SslOptions], None]) -> None:
    for link_id in links:
        change(call.state.ssl_options[link_id])


@command("CIPSSLCCONF", "q")
def configuration_query(call: Call) -> None:
    """Two numbers on 1.0, five lines on 2.0, one with CIPMUX=0 on 4.1 (observed)."""
    if call.profile.tcpip.ssl_configuration == "pair":
        first, second = call.state.ssl_pair
        call.respond(f"+CIPSSLCCONF:{first},{second}")
        return
    for link_id in _shown(call):
        options = call.state.ssl_options[link_id]
        call.respond(f"+CIPSSLCCONF:{link_id},{options.auth},{options.pki},{options.ca}")


@command("CIPSSLCCONF", "s")
def configuration(call: Call) -> None:
    """At-dialects 7.11."""
    arguments = call.arguments.without_codes()
    if call.profile.tcpip.ssl_configuration == "pair":
        arguments.expect(1, 2)
        auth = arguments.integer(0, 3)
        call.state.ssl_pair = (auth, arguments.integer(0, 3, default=1))
        _set(call, range(LINK_COUNT), lambda options: setattr(options, "auth", auth))
        return
    # One number with CIPMUX=0 is no link (seen on 2.0, transcript 34).
    links = range(LINK_COUNT) if arguments.count == 1 and not call.state.mux else _read_links(call)
    auth = arguments.integer(0, 3)
    refuse_if(arguments.left == 1 and call.profile.tcpip.ssl_configuration == "two or four")
    pki = arguments.integer(0, 255, default=0)
    ca = arguments.integer(0, 255, default=0)
    arguments.end()
    for link_id in links:
        options = call.state.ssl_options[link_id]
        options.auth, options.pki, options.ca = auth, pki, ca
        if call.state.store:
            call.board.nvs.set(f"ssl_{link_id}", (auth, pki, ca))


SSL_BUFFER_BYTES = (2048, 4096)
"""Docs of NonOS 1.7."""


@command("CIPSSLSIZE", "s")
def buffer_size(call: Call) -> None:
    """How large the buffer of an SSL link is: NonOS only; nothing on the line depends on it."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    arguments.integer(*SSL_BUFFER_BYTES)


@command("CIPSSLCCN", "q")
def common_name_query(call: Call) -> None:
    for link_id in _shown(call):
        if name := call.state.ssl_options[link_id].common_name:
            call.respond(f'+CIPSSLCCN:{link_id},"{name}"')


@command("CIPSSLCCN", "s")
def common_name(call: Call) -> None:
    call.arguments.without_codes()
    links = _read_links(call)
    name = call.arguments.string(NAME_BYTES)
    call.arguments.end()
    _set(call, links, lambda options: setattr(options, "common_name", name))


@command("CIPSSLCSNI", "q")
def server_name_query(call: Call) -> None:
    """Only OK while none is set (observed 4.1)."""
    for link_id in _shown(call):
        if name := call.state.ssl_options[link_id].server_name:
            call.respond(f'+CIPSSLCSNI:{link_id},"{name}"')


@command("CIPSSLCSNI", "s")
def server_name(call: Call) -> None:
    call.arguments.without_codes()
    links = _read_links(call)
    name = call.arguments.string(NAME_BYTES)
    call.arguments.end()
    _set(call, links, lambda options: setattr(options, "server_name", name))


@command("CIPSSLCALPN", "q")
def alpn_query(call: Call) -> None:
    """Only OK while none is set (observed 4.1)."""
    for link_id in _shown(call):
        if names := call.state.ssl_options[link_id].alpn:
            call.respond(f"+CIPSSLCALPN:{link_id}," + ",".join(f'"{name}"' for name in names))


@command("CIPSSLCALPN", "s")
def alpn(call: Call) -> None:
    """A count, then so many names; 0 clears (docs)."""
    arguments = call.arguments.without_codes()
    links = _read_links(call)
    count = arguments.integer(0, 5)
    names = tuple(arguments.string(NAME_BYTES) for _ in range(count))
    arguments.end()
    _set(call, links, lambda options: setattr(options, "alpn", names))


@command("CIPSSLCPSK", "q")
@command("CIPSSLCPSKHEX", "q")
def key_query(call: Call) -> None:
    for link_id in _shown(call):
        if pair := call.state.ssl_options[link_id].psk:
            key, hint = pair
            text = key.hex().upper() if call.name.endswith("HEX") else decode(key)
            call.respond(f'+{call.name}:{link_id},"{text}","{hint}"')


@command("CIPSSLCPSK", "s")
@command("CIPSSLCPSKHEX", "s")
def key(call: Call) -> None:
    """Key and identity, offered beside certificates (at-dialects 7.11); host_tls.py says where it can be."""
    arguments = call.arguments.without_codes()
    links = _read_links(call)
    hexadecimal = call.name.endswith("HEX")
    text, hint = arguments.string(PSK_BYTES * (2 if hexadecimal else 1)), arguments.string(PSK_BYTES)
    arguments.end()
    refuse_if(not text or (hexadecimal and not _HEX.match(text)))
    key = bytes.fromhex(text) if hexadecimal else encode(text)
    _set(call, links, lambda options: setattr(options, "psk", (key, hint)))


@command("CIPSSLCCIPHER", "q")
def ciphers_query(call: Call) -> None:
    """What can be chosen, numbered (observed 4.1)."""
    for number, cipher in enumerate(CIPHERS):
        call.respond(f"+CIPSSLCCIPHER:{number},0x{cipher:04X}")


@command("CIPSSLCCIPHER", "s")
def ciphers(call: Call) -> None:
    """A count, then so many numbers; 0 clears (at-dialects 7.11)."""
    arguments = call.arguments.without_codes()
    links = _read_links(call)
    count = arguments.integer(0, 20)
    chosen = tuple(arguments.integer(0, 0xFFFF) for _ in range(count))
    arguments.end()
    refuse_if(any(cipher not in CIPHERS for cipher in chosen))
    _set(call, links, lambda options: setattr(options, "ciphers", chosen))
