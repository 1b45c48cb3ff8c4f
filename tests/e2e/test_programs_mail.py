"""Mail programs, unmodified, over the module: smtplib, imaplib, poplib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiosmtpd.controller import Controller

from tests.e2e.fakes import MAIL, Imap, Pop, streams
from tests.e2e.programs_support import run_program, server_context
from tests.e2e.servers import free_port
from tests.e2e.support import HOST

if TYPE_CHECKING:
    import trustme
    from aiosmtpd.smtp import SMTP, Envelope, Session

    from tests.e2e.support import SimulatedProcess


class Mailbox:
    """Keeps what aiosmtpd receives."""

    def __init__(self) -> None:
        self.mails: list[tuple[str | None, list[str], bytes, bool]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, content, session.ssl is not None))
        return "250 OK"


@pytest.mark.parametrize("secure", [False, True], ids=["clear", "starttls"])
def test_smtplib_to_aiosmtpd(
    esp32: SimulatedProcess, authority: trustme.CA, authority_file: str, secure: bool
) -> None:
    mailbox = Mailbox()
    context = server_context(authority) if secure else None
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port(), tls_context=context)
    server.start()
    try:
        ran = run_program(esp32, "smtp", HOST, server.port, authority_file)
    finally:
        server.stop()
    assert ran.output == "sent {}\n"
    assert ran.links == 1
    ((sender, receivers, content, was_secure),) = mailbox.mails
    assert (sender, receivers, was_secure) == ("me@example.org", ["you@example.org"], secure)
    lines = content.split(b"\r\n")
    assert lines[0] == b"Subject: long"
    assert lines[2 + 3] == b"...line 3"
    assert lines[2 + 1999] == b"...line 1999"


def test_imaplib(esp32: SimulatedProcess) -> None:
    with streams(Imap) as port:
        ran = run_program(esp32, "imap", HOST, port)
    assert ran.output.splitlines() == ["('OK', [b'1'])", f"OK {len(MAIL)}"]
    assert ran.links == 1


def test_poplib(esp32: SimulatedProcess) -> None:
    with streams(Pop) as port:
        ran = run_program(esp32, "pop", HOST, port)
    assert ran.output.splitlines() == [f"(1, {len(MAIL)})", f"1000 {len(MAIL)}", "b'+OK'"]
    assert ran.links == 1
