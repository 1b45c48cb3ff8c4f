"""TLS for the streams of the host's network, as bytes in and bytes out: an `ssl.SSLObject` between two BIOs.

The module's clock decides whether a certificate is valid, and the ssl module cannot use another time
than this machine's: so OpenSSL verifies a chain without looking at the time, and the times of the peer's
certificate and of the authority in the slot are compared here (not those of intermediate ones). Names are
compared where CIPSSLCCN asks for it, as the firmware does (at-dialects 7.11). A pre-shared key is offered
where Python can, from 3.13 on; before, a server that requires one refuses.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esp32sock.simulator.network.api import Tls

READ_BYTES = 65536

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module has no name for."""


class TlsFailure(OSError):
    """The handshake failed, or the stream is not what it should be."""


def _context(tls: Tls, *, server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # mbedTLS as stock builds have it
    if tls.verify:
        context.load_verify_locations(cadata=tls.authorities)
        context.verify_flags |= NO_CHECK_TIME
    if tls.certificate:
        _load_certificate(context, tls.certificate)
    if tls.alpn:
        context.set_alpn_protocols(list(tls.alpn))
    if tls.psk is not None and hasattr(context, "set_psk_client_callback"):
        key, identity = tls.psk
        context.set_ciphers("ALL:PSK:!aNULL:!eNULL")  # without this it offers no suite for keys
        context.set_psk_client_callback(lambda hint: (identity, key))
    if tls.ciphers:
        _choose_ciphers(context, tls.ciphers)
    return context


def _load_certificate(context: ssl.SSLContext, text: str) -> None:
    """The ssl module takes certificates out of files only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(text)
    try:
        context.load_cert_chain(file.name)
    finally:
        os.unlink(file.name)


def _choose_ciphers(context: ssl.SSLContext, wanted: tuple[int, ...]) -> None:
    names = {cipher["id"] & 0xFFFF: cipher["name"] for cipher in context.get_ciphers()}
    chosen = [names[number] for number in wanted if number in names]
    if not chosen:
        raise TlsFailure("none of the chosen ciphers is there")
    context.set_ciphers(":".join(chosen))


class TlsEngine:
    """One side of one stream."""

    def __init__(self, tls: Tls, *, server: bool) -> None:
        """Raises TlsFailure for certificates or ciphers that cannot be used."""
        self._tls = tls
        self.ended = False
        """The peer has said that it is done."""
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        try:
            self._object = _context(tls, server=server).wrap_bio(
                self._in, self._out, server_side=server, server_hostname=None if server else tls.server_name
            )
        except (ssl.SSLError, ValueError) as error:  # ValueError: an empty slot, a name that cannot be one
            raise TlsFailure(str(error)) from error

    def feed(self, data: bytes) -> None:
        """What came in; nothing is the end."""
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def outgoing(self) -> bytes:
        """What is to be sent now."""
        return self._out.read()

    def handshake(self) -> bool:
        """Go on with the handshake; True when it is over. Raises TlsFailure."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TlsFailure(str(error)) from error
        self._check_peer()
        return True

    def _check_peer(self) -> None:
        tls = self._tls
        if not tls.verify:
            return
        certificate: Any = self._object.getpeercert()
        roots = [root for root in self._object.context.get_ca_certs() if _issued(root, certificate)]
        for judged in (certificate, *roots):
            begins = ssl.cert_time_to_seconds(judged["notBefore"])
            ends = ssl.cert_time_to_seconds(judged["notAfter"])
            if not begins <= tls.now_s <= ends:
                raise TlsFailure("by the module's clock the certificate is not valid")
        if tls.common_name is not None and not any(
            _is_for(name, tls.common_name) for name in _names(certificate)
        ):
            raise TlsFailure(f"the certificate is not for {tls.common_name}")

    def read(self) -> bytes:
        """What can be read of what came in; empty if there is nothing more yet. Raises TlsFailure."""
        pieces = []
        try:
            while True:
                piece = self._object.read(READ_BYTES)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        except ssl.SSLError as error:
            raise TlsFailure(str(error)) from error
        return b"".join(pieces)

    def write(self, data: bytes) -> bytes:
        """The bytes as they go out. Raises TlsFailure."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise TlsFailure(str(error)) from error
        return self._out.read()

    def goodbye(self) -> bytes:
        """The alert that ends the stream."""
        with suppress(ssl.SSLError, ValueError):
            self._object.unwrap()
        return self._out.read()


def _issued(authority: dict[str, Any], certificate: dict[str, Any]) -> bool:
    return bool(authority["subject"] == certificate["issuer"])


def _is_for(pattern: str, name: str) -> bool:
    """Whether a name in a certificate means this host: `*.` stands for one label."""
    if pattern.startswith("*."):
        name, pattern = name.partition(".")[2], pattern[2:]
    return pattern.lower() == name.lower()


def _names(certificate: dict[str, Any]) -> set[str]:
    """The names that a certificate is for: the alternative names, or without them the common name."""
    names = {str(value) for kind, value in certificate.get("subjectAltName", ())}
    if names:
        return names
    return {value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
