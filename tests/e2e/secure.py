"""Servers behind TLS on loopback, with certificates of every fate."""

from __future__ import annotations

import datetime
import socketserver
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.fakes import serving
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trustme

LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


class SecureEcho(socketserver.ThreadingTCPServer):
    """Echo behind TLS; a client that refuses our certificate is not our business."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        self.received = bytearray()
        """In the clear, of all connections."""
        self.asked_for: list[str | None] = []
        """The server name of each handshake (SNI)."""
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    with context.wrap_socket(self.request, server_side=True) as secure:
                        while data := secure.recv(65536):
                            server.received += data
                            secure.sendall(data)
                except (ssl.SSLError, ConnectionError):
                    pass

        def note(connection: ssl.SSLObject, name: str | None, used: ssl.SSLContext) -> None:
            self.asked_for.append(name)

        context.sni_callback = note
        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def secure_echo(*contexts: ssl.SSLContext) -> Iterator[list[int]]:
    """A server for each of these; their ports."""
    with ExitStack() as servers:
        yield [servers.enter_context(serving(SecureEcho(context))) for context in contexts]


def expired(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS of a server whose certificate was valid long ago, by default for the host as the module sees it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    long_ago = LONG_AGO.replace(year=2002)
    authority.issue_cert(*(names or (HOST,)), not_before=LONG_AGO, not_after=long_ago).configure_cert(context)
    return context


def self_signed(folder: Path, host: str = HOST) -> ssl.SSLContext:
    """TLS of a server that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
