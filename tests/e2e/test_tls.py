"""TLS on the host over links of the module: certificates are judged as ever, in every profile."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.e2e.programs_support import run_program, server_context, server_program
from tests.e2e.secure import expired, secure_echo, self_signed
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Background
    from tests.e2e.support import SimulatedProcess

DATA = bytes(range(256)) * 100


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
