"""TLS on the module by its context: real servers behind TLS, real certificates, unmodified libraries."""

from __future__ import annotations

import asyncio
import errno
import http.client
import re
import select
import socketserver
import ssl
import threading
import urllib.error
import urllib.request
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trio
import trustme
import urllib3

import esp32sock
from esp32sock import socket
from esp32sock.at.commands import basic
from esp32sock.shims.requests import ModuleAdapter
from esp32sock.shims.ssl import ModuleContext, Refused, TlsSocket
from esp32sock.shims.urllib3 import PoolManager
from esp32sock.simulator import BackgroundModule, Observer, Settings
from esp32sock.simulator.network.host import HostNetwork
from esp32sock.trio import ModuleSocket
from tests.e2e.fakes import serving
from tests.e2e.programs_support import server_context
from tests.e2e.secure import SecureEcho, expired, self_signed
from tests.e2e.support import HOST, PAGE, _Pages

if TYPE_CHECKING:
    import socket as stdlib
    from collections.abc import Iterator
    from pathlib import Path

NAME = "server.example"
ALL = ("doc-v1", "1.0", "1.2", "2.0", "2.1", "2.4", "4.1")
USUAL = ("doc-v1", "2.1", "2.4")
CHECK_NAMES = ("2.1", "2.4", "4.1")
STORE = ("4.1",)


class Ear(Observer):
    """What the host wrote to the module."""

    def __init__(self) -> None:
        self._heard = bytearray()

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self._heard += data

    def forget(self) -> None:
        self._heard.clear()

    def said(self, start: str) -> list[str]:
        """The commands that begin so, without `AT+`."""
        return re.findall(rf"AT\+({start}[^\r]*)\r\n", self._heard.decode("latin-1"))


class Attached:
    """A simulated module on a pty, attached, with the test's authority and certificate in its slots 0."""

    def __init__(self, profile: str, authority: trustme.CA) -> None:
        self.profile = profile
        self.ear = Ear()
        own = authority.issue_cert("client.example")
        slots = (
            ("client_ca.0", authority.cert_pem.bytes().decode()),
            ("client_cert.0", own.cert_chain_pems[0].bytes().decode()),
            ("client_key.0", own.private_key_pem.bytes().decode()),
        )
        settings = Settings(profile=profile, certificates=slots)
        self._simulated = BackgroundModule(settings, HostNetwork({NAME: HOST}), observers=(self.ear,))
        self.interface = esp32sock.attach(self._simulated.path)

    def links(self) -> list[tuple[str, int]]:
        """Kind and bytes sent of every link since `forget`; 2.0 is woken by UDP links (known-bugs 12)."""
        links = self._simulated.module.journal.links[self._seen :]
        return [(link.kind, link.bytes_sent) for link in links if link.kind != "UDP"]

    def forget(self) -> None:
        """Begin a test; no link may be left of another."""
        while self.interface.stats()["links_open"]:
            self.interface.execute(basic.Test())
        self._seen = len(self._simulated.module.journal.links)
        self.ear.forget()

    def end(self) -> None:
        esp32sock.detach()
        self._simulated.stop()
        assert all(link.closed_at_s is not None for link in self._simulated.module.journal.links)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module", params=ALL)
def attached(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[Attached]:
    module = Attached(request.param, authority)
    yield module
    module.end()


@pytest.fixture
def module(attached: Attached) -> Attached:
    attached.forget()
    return attached


def on(*profiles: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("attached", profiles, indirect=True)


@contextmanager
def echoing(context: ssl.SSLContext) -> Iterator[SecureEcho]:
    server = SecureEcho(context)
    with serving(server):
        yield server


@pytest.fixture
def echo(authority: trustme.CA) -> Iterator[SecureEcho]:
    with echoing(server_context(authority, NAME, HOST)) as server:
        yield server


@pytest.fixture
def web(authority: trustme.CA) -> Iterator[int]:
    """A web server behind TLS; it does one handshake at a time, in the thread that accepts."""
    import http.server

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.daemon_threads = True
    server.socket = server_context(authority, NAME, HOST).wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield port


def lax(**slots: int) -> ModuleContext:
    context = ModuleContext(**slots)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def strict(module: Attached, authority: trustme.CA) -> ModuleContext:
    """A context that trusts the authority: loaded where the firmware can store it, else by its slot."""
    if module.profile not in STORE:
        return ModuleContext(ca_slot=0)
    context = ModuleContext()
    context.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    return context


def connected(
    context: ModuleContext, port: int, *, early: bool, name: str | None = NAME, timeout: float = 20
) -> TlsSocket:
    plain = socket.socket()
    plain.settimeout(timeout)
    try:
        if not early:
            plain.connect((HOST, port))
        secure = context.wrap_socket(plain, server_hostname=name)
    finally:
        plain.close()
    if early:
        try:
            secure.connect((HOST, port))
        except BaseException:
            secure.close()
            raise
    return secure


def talks(secure: stdlib.socket, data: bytes = b"hello") -> None:
    secure.sendall(data)
    with secure.makefile("rb") as stream:
        assert stream.read(len(data)) == data


EARLY = pytest.mark.parametrize("early", [True, False], ids=["early", "late"])


# ---- without verification


@EARLY
def test_unverified(module: Attached, echo: SecureEcho, early: bool) -> None:
    with connected(lax(), echo.server_address[1], early=early) as secure:
        talks(secure)
        assert list(module.interface.status().links.values()) == ["SSL"]
        assert secure.getpeername() == (HOST, echo.server_address[1])
        assert secure.gettimeout() == 20
        talks(secure, bytes(range(256)) * 100)
    assert module.links() == [("TCP", 0)] * (not early) + [("SSL", 25605)]
    assert echo.asked_for == [NAME if module.profile in CHECK_NAMES else None]
    assert module.ear.said("SYSTIMESTAMP") == module.ear.said("SYSMFG") == []


# ---- with verification


@EARLY
def test_verified(module: Attached, authority: trustme.CA, echo: SecureEcho, early: bool) -> None:
    """Or refused before anything is sent, by profile."""
    port = echo.server_address[1]
    if module.profile in CHECK_NAMES:
        with connected(strict(module, authority), port, early=early) as secure:
            talks(secure)
        return
    with pytest.raises(Refused, match="refused before anything was sent"):
        connected(strict(module, authority), port, early=early)
    assert module.links() == ([] if early else [("TCP", 0)])
    assert [line.split(",")[1] for line in module.ear.said("CIPSTART")] == ([] if early else ['"TCP"'])
    assert echo.received == b""


@EARLY
@on(*CHECK_NAMES)
def test_certificates_that_are_not_accepted(
    module: Attached, authority: trustme.CA, tmp_path: Path, early: bool
) -> None:
    for context in (
        server_context(authority, "other.example"),
        expired(authority, NAME),
        server_context(trustme.CA(), NAME),
        self_signed(tmp_path, NAME),
    ):
        with echoing(context) as server:
            with pytest.raises(ssl.SSLError, match="certificate was rejected") as caught:
                connected(strict(module, authority), server.server_address[1], early=early)
            assert not isinstance(caught.value, Refused)
            assert server.received == b""
            assert server.asked_for == [NAME]
    assert all(link == ("TCP", 0) for link in module.links())


@on("1.0", "1.2", "2.0")
def test_a_chain_without_a_name(
    module: Attached, authority: trustme.CA, echo: SecureEcho, tmp_path: Path
) -> None:
    """2.0 is told the time, 1.2 asks for it; 1.0 verifies nothing."""
    context = strict(module, authority)
    context.check_hostname = False
    port = echo.server_address[1]
    if module.profile == "1.0":
        with pytest.raises(Refused, match="cannot verify certificates"):
            connected(context, port, early=True)
        assert module.ear.said("CIPSTART") == []
        return
    with connected(context, port, early=True, name=None) as secure:
        talks(secure)
    for other in (server_context(trustme.CA(), NAME), expired(authority, NAME), self_signed(tmp_path, NAME)):
        with echoing(other) as server, pytest.raises(ssl.SSLError, match="was rejected"):
            connected(context, server.server_address[1], early=True)


@on(*CHECK_NAMES)
def test_the_clock_is_set_first(module: Attached, authority: trustme.CA, echo: SecureEcho) -> None:
    with connected(strict(module, authority), echo.server_address[1], early=True):
        assert module.links() == [("SSL", 0)]
    said = "".join(module.ear.said("(?:SYSTIMESTAMP|CIPSTART)"))
    assert said.startswith("SYSTIMESTAMP?")


@on(*STORE)
def test_authorities_from_everywhere(
    module: Attached, authority: trustme.CA, echo: SecureEcho, tmp_path: Path
) -> None:
    text = authority.cert_pem.bytes()
    file = tmp_path / "ca.pem"
    file.write_bytes(b"an authority:\n" + text)
    der = ssl.PEM_cert_to_DER_cert(text.decode())
    another = ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode())
    for arguments in (
        {"cafile": file},
        {"cafile": str(file)},
        {"cadata": text.decode()},
        {"cadata": der},
        {"cadata": another + der},
    ):
        context = ModuleContext()
        context.load_verify_locations(**arguments)
        with connected(context, echo.server_address[1], early=True) as secure:
            talks(secure)
    context = ModuleContext()
    context.load_verify_locations(cadata=another)
    with pytest.raises(ssl.SSLError, match="was rejected"):
        connected(context, echo.server_address[1], early=True)
    assert all('"client_ca.1"' in line for line in module.ear.said("SYSMFG"))


@on("1.2", "2.1", "2.4", "4.1")
def test_a_certificate_of_our_own(module: Attached, authority: trustme.CA, tmp_path: Path) -> None:
    demanding = server_context(authority, NAME)
    authority.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    file = tmp_path / "own.pem"
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(file)
    with echoing(demanding) as server:
        port = server.server_address[1]
        with connected(lax(client_slot=0), port, early=True) as secure:
            talks(secure)
        loaded = lax()
        loaded.load_cert_chain(file)
        if module.profile in STORE:
            with connected(loaded, port, early=False) as secure:
                talks(secure)
        else:
            with pytest.raises(Refused, match="only from its flash image"):
                connected(loaded, port, early=True)


# ---- what the module cannot do at all


def test_contexts_say_at_once_what_no_module_can(authority: trustme.CA, tmp_path: Path) -> None:
    context = ModuleContext()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(Refused, match="directory"):
        context.load_verify_locations(capath=str(tmp_path))
    many = "".join(trustme.CA().cert_pem.bytes().decode() for _ in range(15))
    with pytest.raises(Refused, match="15 authorities"):
        context.load_verify_locations(cadata=many)
    with pytest.raises(Refused, match="do not fit"):
        context.load_default_certs()
    with pytest.raises(Refused, match="do not fit"):
        context.set_default_verify_paths()
    with pytest.raises(Refused, match="ciphers"):
        context.set_ciphers("HIGH")
    with pytest.raises(ValueError, match="offer one"):
        context.set_alpn_protocols(["h2", "http/1.1"])
    with pytest.raises(Refused, match="not in memory"):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
    with pytest.raises(ValueError, match="slot 256"):
        ModuleContext(ca_slot=256)
    with pytest.raises(ssl.SSLError):
        context.load_verify_locations(cadata="-----BEGIN CERTIFICATE-----\nrubbish")


def test_an_encrypted_key(authority: trustme.CA, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    own = authority.issue_cert("client.example")
    key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    file = tmp_path / "own.pem"
    file.write_bytes(encrypted + own.cert_chain_pems[0].bytes())
    with pytest.raises(Refused, match="unencrypted"):
        ModuleContext().load_cert_chain(file, password="secret")


@on("4.1")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minimum_version", ssl.TLSVersion.TLSv1_3),
        ("options", ssl.OP_NO_TLSv1_2),
        ("verify_flags", ssl.VERIFY_CRL_CHECK_LEAF),
        ("verify_flags", ssl.VERIFY_X509_STRICT),
    ],
)
def test_settings_that_only_a_host_has(module: Attached, name: str, value: Any) -> None:
    context = lax()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        setattr(context, name, value)
    with socket.socket() as plain, pytest.raises(Refused):
        context.wrap_socket(plain)


@on("2.4")
def test_what_cannot_be_wrapped(module: Attached, authority: trustme.CA, echo: SecureEcho) -> None:
    context, address = lax(), (HOST, echo.server_address[1])
    with socket.socket() as plain:
        for arguments in ({"server_side": True}, {"session": object()}):
            with pytest.raises(Refused):
                context.wrap_socket(plain, **arguments)
        with pytest.raises(ValueError, match="requires server_hostname"):
            strict(module, authority).wrap_socket(plain)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, pytest.raises(Refused, match="TCP"):
        context.wrap_socket(datagrams)
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Refused, match="does not use the module"):
        context.wrap_socket(ours)
    with socket.socket() as plain:
        plain.connect(address)
        plain.setblocking(False)
        with pytest.raises(ValueError, match="wrap it before"):
            context.wrap_socket(plain)
    with context.wrap_socket(socket.socket()) as secure, pytest.raises(Refused):
        secure.listen()
    with context.wrap_socket(socket.socket()) as secure, pytest.raises(Refused, match="the host itself"):
        secure.connect(("127.0.0.1", echo.server_address[1]))
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        with pytest.raises(Refused, match="neither new nor connected"):
            context.wrap_socket(listener)
    assert "SSL" not in str(module.links())


@on(*USUAL)
def test_an_upgrade_of_a_running_connection(module: Attached) -> None:
    """STARTTLS: bytes have gone, so the module cannot begin TLS; and nothing goes on in the clear."""

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(100):
                pass

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent)) as port:
        plain = socket.create_connection((HOST, port), 20)
        plain.send(b"STARTTLS\r\n")
        with pytest.raises(Refused, match="STARTTLS"):
            lax().wrap_socket(plain)
    assert plain.fileno() == -1
    assert len(module.ear.said("CIPSTART")) == 1


@on("doc-v1", "2.0", "2.4")
def test_links_of_old_firmware(module: Attached, echo: SecureEcho, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.interface, "wait_for_link_s", 0.1)
    port = echo.server_address[1]
    if module.profile == "2.4":
        many = [connected(lax(), port, early=True) for _ in range(4)]
        with pytest.raises(OSError, match="memory") as caught:
            connected(lax(), port, early=True)
        assert caught.value.errno == errno.ENOBUFS
    else:
        many = [connected(lax(), port, early=True)]
        with pytest.raises(OSError, match="one SSL link at a time") as caught:
            connected(lax(), port, early=True)
        assert caught.value.errno == errno.EMFILE
    for secure in many:
        talks(secure)
        secure.close()
    with connected(lax(), port, early=True) as secure:
        talks(secure)


@on(*USUAL)
def test_no_tls_and_nobody(module: Attached) -> None:
    from tests.e2e.support import http_server

    with http_server() as port, pytest.raises(ssl.SSLError):
        connected(lax(), port, early=True)
    with pytest.raises(ssl.SSLError, match="no server listens"):
        connected(lax(), 1, early=True)
    with pytest.raises(ConnectionRefusedError):
        connected(lax(), 1, early=False)


# ---- as a socket


@on("2.4", "4.1")
def test_what_is_known_of_it(module: Attached, echo: SecureEcho) -> None:
    context = lax()
    with connected(context, echo.server_address[1], early=True) as secure:
        assert not isinstance(secure, ssl.SSLSocket)
        assert (secure.context, secure.server_hostname, secure.server_side) == (context, NAME, False)
        assert (secure.session, secure.session_reused, secure.pending()) == (None, None, 0)
        assert (secure.getpeercert(), secure.getpeercert(binary_form=True)) == ({}, None)
        secure.do_handshake()
        for nothing in (
            secure.cipher,
            secure.shared_ciphers,
            secure.compression,
            secure.version,
            secure.selected_alpn_protocol,
            secure.selected_npn_protocol,
            secure.get_channel_binding,
        ):
            assert nothing() is None
        with pytest.raises(ValueError, match="not implemented"):
            secure.get_channel_binding("other")
        with pytest.raises(Refused):
            secure.unwrap()
        with pytest.raises(Refused):
            secure.verify_client_post_handshake()
        assert secure.write(b"hello") == 5
        assert secure.read(3) == b"hel"
        buffer = bytearray(10)
        assert secure.read(10, buffer) == 2
        assert buffer[:2] == b"lo"
        with secure.dup() as other:
            assert other.server_hostname == NAME
            talks(other)
        secure.write(b"x")
        assert select.select([secure], [], [], 20)[0] == [secure]
        assert secure.recv(1) == b"x"
        secure.shutdown(socket.SHUT_RDWR)


@on(*USUAL)
def test_asyncio_over_a_socket_of_ours(module: Attached, echo: SecureEcho) -> None:
    data = bytes(range(256)) * 40

    async def main() -> None:
        plain = socket.socket()
        plain.setblocking(False)
        secure = lax().wrap_socket(plain, server_hostname=NAME)
        await asyncio.get_running_loop().sock_connect(secure, (HOST, echo.server_address[1]))
        reader, writer = await asyncio.open_connection(sock=secure)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()

    asyncio.run(main())


@on("2.4")
def test_trio_over_a_socket_of_ours(module: Attached, echo: SecureEcho) -> None:
    async def main() -> None:
        secure = lax().wrap_socket(socket.socket(), server_hostname=NAME)
        sock = ModuleSocket(secure, module.interface)
        await sock.connect((HOST, echo.server_address[1]))
        async with trio.SocketStream(sock) as stream:
            await stream.send_all(b"hello")
            assert await stream.receive_some(100) == b"hello"

    trio.run(main)
    assert module.links() == [("SSL", 5)]


@on("2.4")
def test_names_of_other_alphabets(module: Attached, echo: SecureEcho) -> None:
    with connected(lax(), echo.server_address[1], early=True, name="bücher.example") as secure:
        assert secure.server_hostname == "xn--bcher-kva.example"
        talks(secure)
    assert echo.asked_for == ["xn--bcher-kva.example"]


@on("2.4")
def test_a_failure_that_nobody_waits_for(module: Attached) -> None:
    with lax().wrap_socket(socket.socket()) as secure:
        secure.setblocking(False)
        assert secure.connect_ex((HOST, 1)) == errno.EINPROGRESS
        select.select([], [secure], [], 20)
        assert secure.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPROTO


@on("4.1")
def test_two_authorities_at_once(module: Attached) -> None:
    """Both are written into one slot; no connection may be verified against the other's."""
    failures: list[str] = []

    def run(authority: trustme.CA, stranger: trustme.CA) -> None:
        context = ModuleContext()
        context.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
        with (
            echoing(server_context(authority, NAME)) as good,
            echoing(server_context(stranger, NAME)) as bad,
        ):
            for _ in range(5):
                with connected(context, good.server_address[1], early=True) as secure:
                    talks(secure)
                try:
                    connected(context, bad.server_address[1], early=True).close()
                except ssl.SSLError:
                    continue
                failures.append("accepted")

    one, other = trustme.CA(), trustme.CA()
    threads = [threading.Thread(target=run, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(module.ear.said("SYSMFG")) > 1


# ---- libraries


@on(*USUAL, "4.1")
def test_urllib_and_http_client(module: Attached, authority: trustme.CA, web: int) -> None:
    url = f"https://{NAME}:{web}/"
    with esp32sock.patched():
        with urllib.request.urlopen(url, context=lax(), timeout=20) as answer:
            assert answer.read() == PAGE
        connection = http.client.HTTPSConnection(NAME, web, timeout=20, context=lax())
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == PAGE
        connection.close()
        careful = strict(module, authority)
        if module.profile in CHECK_NAMES:
            with urllib.request.urlopen(url, context=careful, timeout=20) as answer:
                assert answer.read() == PAGE
        else:
            with pytest.raises(urllib.error.URLError, match="refused before anything was sent"):
                urllib.request.urlopen(url, context=careful, timeout=20)
    sent = [sent for kind, sent in module.links() if kind == "TCP"]
    assert sent == [0] * (2 + 1)


@on(*USUAL)
def test_urllib3(module: Attached, authority: trustme.CA, web: int) -> None:
    with (
        PoolManager(ssl_context=lax()) as pool,
        pytest.warns(urllib3.exceptions.InsecureRequestWarning),
    ):
        assert pool.request("GET", f"https://{NAME}:{web}/", timeout=20).data == PAGE
    with PoolManager(ssl_context=strict(module, authority)) as pool:
        if module.profile in CHECK_NAMES:
            assert pool.request("GET", f"https://{NAME}:{web}/", timeout=20).data == PAGE
        else:
            with pytest.raises(urllib3.exceptions.SSLError, match="refused before anything was sent"):
                pool.request("GET", f"https://{NAME}:{web}/", timeout=20, retries=False)


class Adapter(ModuleAdapter):
    """As requests' documentation shows how to use a context of one's own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **options)


@on(*USUAL, "4.1")
def test_requests(module: Attached, authority: trustme.CA, web: int, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    url = f"https://{NAME}:{web}/"
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter(lax()))
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            assert session.get(url, verify=False, timeout=20).content == PAGE
        session.mount("https://", Adapter(ModuleContext()))
        if module.profile in STORE:
            assert session.get(url, verify=str(file), timeout=20).content == PAGE
        with pytest.raises(requests.exceptions.SSLError):
            session.get(url, timeout=20)  # all of this machine's authorities
