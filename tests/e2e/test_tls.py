"""TLS on the host over links of the module: certificates are judged as ever, in every profile."""

from __future__ import annotations

import datetime
import socketserver
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.programs_support import run_program, server_context, server_program
from tests.e2e.stand_ins import serving
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Background
    from tests.e2e.support import SimulatedProcess

LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
DATA = bytes(range(256)) * 100


class SecureEcho(socketserver.ThreadingTCPServer):
    """Echo behind TLS; a client that refuses our certificate is not our business."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    with context.wrap_socket(self.request, server_side=True) as secure:
                        while data := secure.recv(65536):
                            secure.sendall(data)
                except (ssl.SSLError, ConnectionError):
                    pass

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def secure_echo(*contexts: ssl.SSLContext) -> Iterator[list[int]]:
    """A server for each of these; their ports."""
    with ExitStack() as servers:
        yield [servers.enter_context(serving(SecureEcho(context))) for context in contexts]


def expired(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, not_before=LONG_AGO, not_after=LONG_AGO.replace(year=2002)).configure_cert(
        context
    )
    return context


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
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


def test_certificates_are_judged_before_and_after_connecting(
    esp32: SimulatedProcess, authority: trustme.CA, authority_file: str, tmp_path: Path
) -> None:
    contexts = [
        server_context(authority),
        server_context(authority, "other.example"),
        expired(authority),
        server_context(trustme.CA()),
        self_signed(tmp_path),
    ]
    with secure_echo(*contexts) as ports:
        ran = run_program(esp32, "tls_checks", HOST, authority_file, *ports)
    wrong_host = f"IP address mismatch, certificate is not valid for '{HOST}'."
    fates = [
        "b'hello' True",
        f"refused: {wrong_host}",
        "refused: certificate has expired",
        "refused: unable to get local issuer certificate",
        "refused: self-signed certificate",
    ]
    assert ran.output.splitlines() == [f"{when} {fate}" for fate in fates for when in ("late", "early")]
    assert ran.links == 10


def test_five_links_at_a_time_asyncio_and_trio(
    esp32: SimulatedProcess, authority: trustme.CA, authority_file: str
) -> None:
    with secure_echo(server_context(authority)) as (port,):
        ran = run_program(esp32, "tls_five", HOST, port, authority_file)
    assert ran.output.splitlines() == [f"threads {[True] * 5}", "asyncio True", "trio True"]
    assert ran.links == 7


@pytest.mark.parametrize("name", ["serve_asyncio", "serve_trio"])
def test_a_server_behind_tls(
    background: Background, authority: trustme.CA, tmp_path: Path, name: str
) -> None:
    import socket

    certificate = tmp_path / "server.pem"
    authority.issue_cert("module.example").private_key_and_cert_chain_pem.write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with server_program(background, name, certificate) as ports:
        plain = socket.create_connection(background.reached(ports[0]), timeout=30)
        with context.wrap_socket(plain, server_hostname="module.example") as secure:
            secure.sendall(DATA[:1000])
            with secure.makefile("rb") as stream:
                assert stream.read(1000) == DATA[:1000]
