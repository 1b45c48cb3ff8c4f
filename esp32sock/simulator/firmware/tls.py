"""How links are secured: what the configuration and the certificate slots make of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.address_text import is_address, read_address_6
from esp32sock.simulator.firmware.certificate_slots import slot
from esp32sock.simulator.firmware.link_table import SSL_LINK_BYTES
from esp32sock.simulator.network.api import Tls

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.link_table import LinkTable

OWN_CERTIFICATE = 1
VERIFY_PEER = 2
"""Bits of the first number of CIPSSLCCONF."""


class TlsConfiguration:
    """The TLS side of links, from AT+CIPSSLC... and the flash."""

    def __init__(self, board: Board, table: LinkTable) -> None:
        self._board = board
        self._table = table

    def has_room(self) -> bool:
        """Whether one more SSL link fits: one up to 2.0; then what the heap holds (at-dialects 9)."""
        limit = self._board.profile.tcpip.ssl_links
        if limit is not None:
            return sum(link.is_secure for link in self._table.all()) < limit
        free = int(self._board.profile.free_ram.split(",")[0])
        return free - self._table.heap_bytes() >= SSL_LINK_BYTES

    def missing(self, link_id: int) -> str | None:
        """What AT+CIPSTART complains about when a slot is empty; None if it is not."""
        options = self._board.state.ssl_options[link_id]
        wanted = []
        if options.auth & OWN_CERTIFICATE:
            wanted += [("client_cert", options.pki, "CERT"), ("client_key", options.pki, "PRVT_KEY")]
        if options.auth & VERIFY_PEER:
            wanted += [("client_ca", options.ca, "CA")]
        empty = (word for name, number, word in wanted if not slot(self._board, name, number))
        word = next(empty, None)
        return None if word is None else f"NO {word} FOUND"

    def of_client(self, link_id: int, host: str) -> Tls:
        """For a link to `host`, a name or an address."""
        board = self._board
        options = board.state.ssl_options[link_id]
        own = ""
        if options.auth & OWN_CERTIFICATE:
            own = slot(board, "client_cert", options.pki) + slot(board, "client_key", options.pki)
        return Tls(
            server_name=options.server_name or self._name_of(host) or None,
            common_name=options.common_name or None,
            verify=bool(options.auth & VERIFY_PEER),
            authorities=slot(board, "client_ca", options.ca) if options.auth & VERIFY_PEER else "",
            certificate=own,
            alpn=options.alpn,
            ciphers=options.ciphers,
            psk=options.psk,
            now_s=board.clock(),
        )

    def _name_of(self, host: str) -> str:
        if not self._board.profile.tcpip.names_host or is_address(host) or read_address_6(host):
            return ""
        return host

    def of_server(self, ca: int) -> Tls:
        """`ca` not 0: clients must have a certificate that this authority signed."""
        board = self._board
        return Tls(
            verify=bool(ca),
            authorities=slot(board, "server_ca", 0) if ca else "",
            certificate=slot(board, "server_cert", 0) + slot(board, "server_key", 0),
            now_s=board.clock(),
        )
