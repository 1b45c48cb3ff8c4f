"""TLS on the module: a context whose connections are SSL links, in place of an `ssl.SSLContext`::

    context = ModuleContext()  # verifies, or refuses to connect
    context.load_verify_locations("ca.pem")
    urllib.request.urlopen("https://host.example/", context=context)

TLS on the host is recommended, with `ssl.create_default_context()` over a socket of the module: it checks
everything on every firmware, on five connections at a time. This is for a host that cannot do TLS itself.

A context says what is wanted; the module's firmware decides what can be had. What was asked for the sake of
security and cannot be had is `Refused`, an `ssl.SSLError`, before a byte of the program's is sent. Nothing is
downgraded. By generation (at-dialects 7.4, 7.11 and 9):

* 0.10 to 1.1: only `verify_mode = CERT_NONE`; no server name (SNI); one connection at a time;
* 1.2 and 2.0: also verification, but not of the name (`check_hostname = False`), against an authority that
  was written with the firmware's image; one connection at a time;
* 2.1 and 3.1: also the name; SNI and ALPN; as many connections as memory holds, one to four;
* from 3.2 on: also authorities, certificates and keys from files.

Slots. The module keeps certificates in its flash, numbered from 0. Where firmware can write them (SYSMFG),
what was loaded is written when a connection first needs it, by default into slot 1: what was there is lost,
and flash wears. Where it cannot, name the slot they lie in: `ModuleContext(ca_slot=0)`.

Clock. Before a certificate is verified the module's clock is set by the host's; 1.2 cannot be set and asks
the network. Names. Numeric addresses are compared too, but mbedTLS before 3.5 finds none in a certificate:
there they are never accepted. Versions. The firmware picks, up to TLS 1.2 (a guess for every release).

Failures. The module says that it did not connect, not why: no server, no TLS and a certificate that is not
accepted are the same `ssl.SSLError` (with a non-blocking socket EPROTO in SO_ERROR). What it negotiated it
does not say either: `version`, `cipher`, `selected_alpn_protocol` are None, `getpeercert` is empty.

asyncio's `ssl=` means TLS in memory, which no module can do. Connect a wrapped socket by `loop.sock_connect`,
then give it away: `asyncio.open_connection(sock=wrapped)`. trio: `esp32sock.shims.trio.ModuleSocket(wrapped,
interface)`, connected, in a `trio.SocketStream`.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from esp32sock import socket
from esp32sock.at.commands.certificates import MAX_PEM_BYTES
from esp32sock.at.commands.ssl import MAX_SLOT
from esp32sock.at.tls import TlsOptions
from esp32sock.net import fd_registry
from esp32sock.net.tcp_socket import VirtualStream

if TYPE_CHECKING:
    import socket as stdlib
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike

    Location = str | bytes | PathLike[str] | PathLike[bytes]

WRITTEN_SLOT = 1
"""Where what was loaded is written by default: slot 0 is left as it is, and stock images have both."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)

_HOST_CHECKS = ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_CRL_CHECK_CHAIN | ssl.VERIFY_X509_STRICT
"""What only OpenSSL does."""

_HOST_SETTINGS = frozenset({
    "_msg_callback", "hostname_checks_common_name", "keylog_filename", "num_tickets", "post_handshake_auth",
    "sni_callback", "sslobject_class", "sslsocket_class",
})  # fmt: skip
_HOST_METHODS = (
    "load_dh_params", "set_ciphersuites", "set_client_sigalgs", "set_ecdh_curve", "set_groups",
    "set_npn_protocols", "set_psk_client_callback", "set_psk_server_callback", "set_server_sigalgs",
    "set_servername_callback",
)  # fmt: skip
"""Settings and setters of `ssl.SSLContext` that no module heeds; not every Python has all of them."""

_ANY_VERSION = (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.MAXIMUM_SUPPORTED)


class Refused(ssl.SSLError):
    """The module cannot do what is asked for; nothing of the program's was sent."""

    def __init__(self, why: str) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, why)


class ModuleContext(ssl.SSLContext):
    """A client's TLS context for sockets of the module; like `PROTOCOL_TLS_CLIENT` it verifies by default.

    `ca_slot` is where the authority lies in the module's flash, `client_slot` where the certificate and the
    key to show; what is loaded is written there. ValueError for a slot outside 0 to 255.
    """

    _ca_slot: int | None
    _client_slot: int | None
    _authority: bytes
    _certificate: bytes
    _key: bytes
    _alpn: tuple[str, ...]

    def __new__(cls, *, ca_slot: int | None = None, client_slot: int | None = None) -> Self:
        for slot in (ca_slot, client_slot):
            if slot is not None and not 0 <= slot <= MAX_SLOT:
                raise ValueError(f"certificate slot {slot} is outside 0 to {MAX_SLOT}")
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._ca_slot, context._client_slot = ca_slot, client_slot
        context._authority = context._certificate = context._key = b""
        context._alpn = ()
        return context

    # What a program configures.

    def load_verify_locations(
        self,
        cafile: Location | None = None,
        capath: Location | None = None,
        cadata: str | Any | None = None,
    ) -> None:
        """As in `ssl`, for a few authorities: they must fit in one slot, 8192 bytes of PEM.

        Refused for more, and for a directory; else what `ssl` raises.
        """
        if capath is not None:
            raise Refused("authorities must come from a file or text, not from a directory")
        super().load_verify_locations(cafile, None, cadata)
        text = self._authority
        if cafile is not None:
            text += _pem(_CERTIFICATE, _read(cafile))
        if isinstance(cadata, str):
            text += _pem(_CERTIFICATE, cadata.encode())
        elif cadata is not None:
            text += b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in _ders(bytes(cadata)))
        if len(text) > MAX_PEM_BYTES:
            count = len(_CERTIFICATE.findall(text))
            raise Refused(
                f"{count} authorities, {len(text)} bytes of PEM: a slot of the module takes {MAX_PEM_BYTES}. "
                "Load only the authority that signed the server's certificate"
            )
        self._authority = text

    def load_cert_chain(
        self,
        certfile: Location,
        keyfile: Location | None = None,
        password: Any = None,
    ) -> None:
        """As in `ssl`; the key must not be encrypted (Refused), for the module has to read it."""
        super().load_cert_chain(certfile, keyfile, password)
        source = _read(certfile if keyfile is None else keyfile)
        found = _KEY.search(source)
        if found is None or b"ENCRYPTED" in found[0]:
            raise Refused("the module needs an unencrypted key in PEM format")
        certificate, key = _pem(_CERTIFICATE, _read(certfile)), found[0] + b"\n"
        if len(certificate) > MAX_PEM_BYTES:
            raise Refused(f"{len(certificate)} bytes of certificates: a slot takes {MAX_PEM_BYTES}")
        self._certificate, self._key = certificate, key

    def load_default_certs(self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> NoReturn:
        """Always Refused: this machine's authorities do not fit in the module."""
        raise Refused(
            "the authorities of this machine do not fit in the module: call load_verify_locations() with "
            "the one that signed the server's certificate"
        )

    def set_default_verify_paths(self) -> NoReturn:
        """Always Refused, as `load_default_certs`."""
        self.load_default_certs()

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Offer one protocol; of several (ValueError) the server's choice would be unknown.

        Firmware before 2.1 makes no offer, which servers take for what is usual on their port.
        """
        protocols = tuple(alpn_protocols)
        if len(protocols) > 1:
            raise ValueError(
                f"the module does not report which of {', '.join(protocols)} the server chose; offer one"
            )
        super().set_alpn_protocols(list(protocols))
        self._alpn = protocols

    def set_ciphers(self, cipherlist: str, /) -> NoReturn:
        """Always Refused: the firmware picks."""
        raise Refused("the firmware chooses the ciphers")

    # What it is for.

    def wrap_socket(  # type: ignore[override]  # an SSLSocket does TLS on this machine
        self,
        sock: stdlib.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> TlsSocket:
        """A socket whose bytes the module encrypts, in place of `sock`, a TCP socket of the module.

        One that is not connected yet opens an SSL link when it connects. One that is connected, and over
        which nothing went, is connected anew: the module closes its link and opens an SSL link to the same
        peer, now, whatever `do_handshake_on_connect`. Refused for one that has carried bytes (STARTTLS), for
        a server's side and for sockets of the host; ValueError for a connected one that does not block.

        Raises Refused for what this firmware cannot do, ssl.SSLError if there is no TLS connection, OSError
        if there is none at all; `sock` is used up then, as with `ssl`.
        """
        if server_side:
            raise Refused("a ModuleContext is for clients only")
        if session is not None:
            raise Refused("the module cannot resume sessions")
        state = fd_registry.state_by_id(id(sock))
        if state is None:
            raise Refused("this socket does not use the module; use ssl.SSLContext")
        if not isinstance(state, VirtualStream):
            raise Refused("only TCP sockets can have TLS")
        tls = self._options(server_hostname)
        timeout = sock.gettimeout()
        if timeout == 0 and not state.unused():
            raise ValueError(
                "a connected non-blocking socket cannot change to TLS: wrap it before connecting"
            )
        secured = TlsSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        try:
            secured.settimeout(timeout)
            secured._context = self
            secured._server_hostname = tls.server_name
            with _as_ssl_errors(errno.EISCONN, errno.EINVAL):
                state.start_module_tls(secured, tls)
        except BaseException:
            secured.close()
            raise
        return secured

    def __setattr__(self, name: str, value: Any) -> None:
        """As ever, but Refused for a change of what only OpenSSL, on this machine, would heed."""
        if name in _HOST_SETTINGS and value != getattr(self, name):
            raise Refused(f"the module does not support this setting ({name})")
        super().__setattr__(name, value)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Always Refused: the module does TLS on its own connections only, not in memory."""
        raise Refused(
            "the module does TLS on its own connections, not in memory as asyncio's ssl= needs it: "
            "wrap_socket() a socket, connect it, and give it to asyncio with sock="
        )

    def _options(self, server_hostname: str | bytes | None) -> TlsOptions:
        """What is asked of the module; Refused for what no module can do, ValueError as `ssl`."""
        if self.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        if self.minimum_version > ssl.TLSVersion.TLSv1_2:
            raise Refused("the module supports TLS up to 1.2 (minimum_version)")
        if self.maximum_version not in _ANY_VERSION and self.maximum_version < ssl.TLSVersion.TLSv1_2:
            raise Refused("the firmware chooses the TLS version, up to 1.2 (maximum_version)")
        if self.options & ssl.OP_NO_TLSv1_2:
            raise Refused("the module uses TLS 1.2, which options forbid")
        if self.verify_flags & _HOST_CHECKS:
            raise Refused("the module supports no revocation lists and no stricter checks (verify_flags)")
        verify = self.verify_mode != ssl.CERT_NONE
        loaded = WRITTEN_SLOT if self._authority else None
        own = WRITTEN_SLOT if self._certificate else None
        return TlsOptions(
            server_name=_ascii(server_hostname) if server_hostname else None,
            verify=verify,
            check_name=self.check_hostname,
            authority_slot=loaded if self._ca_slot is None else self._ca_slot,
            authority=self._authority if verify else b"",
            own_slot=own if self._client_slot is None else self._client_slot,
            certificate=self._certificate,
            key=self._key,
            alpn=self._alpn,
        )


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: ModuleContext, *args: Any, **kwargs: Any) -> NoReturn:
        raise Refused(f"the module does not support this setting ({name})")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Always Refused: for OpenSSL on this machine."
    return refuse


for _name in _HOST_METHODS:
    if hasattr(ssl.SSLContext, _name):
        setattr(ModuleContext, _name, _refusing(_name))


class TlsSocket(socket.socket):
    """A TCP socket whose bytes the module encrypts; what `ModuleContext.wrap_socket` gives.

    Read, written and selected like any socket: what is readable is plain text. It is no `ssl.SSLSocket`, for
    the TLS is not here; the methods that those have beside are there, as far as a module can answer.
    """

    __slots__ = ("_context", "_server_hostname")

    _context: ModuleContext
    _server_hostname: str | None

    @property
    def context(self) -> ModuleContext:
        """The context that made it."""
        return self._context

    @property
    def server_hostname(self) -> str | None:
        """Who the server should be."""
        return self._server_hostname

    @property
    def server_side(self) -> bool:
        """Always False."""
        return False

    @property
    def session(self) -> None:
        """Always None; the module resumes no sessions."""
        return None

    @property
    def session_reused(self) -> None:
        """Always None."""
        return None

    def connect(self, address: Any, /) -> None:
        """As `socket.connect`, with TLS; blocks for the handshake, 1 to 3 s on hardware, within the timeout.

        Raises Refused, ssl.SSLError if there is no TLS connection, and what `socket.connect` raises.
        """
        with _as_ssl_errors():
            super().connect(address)

    def listen(self, backlog: int = 128, /) -> NoReturn:
        """Always Refused."""
        raise Refused("a ModuleContext is for clients only")

    def dup(self) -> Self:
        """A second object over the same connection, as `socket.dup`."""
        copy = super().dup()
        copy._context, copy._server_hostname = self._context, self._server_hostname
        return copy

    def read(self, len: int = 1024, buffer: Any = None) -> bytes | int:  # noqa: A002
        """As `SSLSocket.read`: bytes, or how many were put into `buffer`."""
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    def write(self, data: Any) -> int:
        """As `send`."""
        return self.send(data)

    def pending(self) -> int:
        """Always 0: what was received is in the descriptor, where select sees it."""
        return 0

    def do_handshake(self, block: bool = False) -> None:
        """Nothing: the module has done it when the socket is connected; OSError if it is not."""
        self.getpeername()

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | None:
        """An empty dictionary, and None for the binary form: the module does not show the certificate."""
        return None if binary_form else {}

    def cipher(self) -> None:
        """Always None: the module does not say."""

    def shared_ciphers(self) -> None:
        """Always None: the module does not say."""

    def compression(self) -> None:
        """Always None."""

    def version(self) -> None:
        """Always None: the module does not say."""

    def selected_alpn_protocol(self) -> None:
        """Always None: the module does not say."""

    def selected_npn_protocol(self) -> None:
        """Always None."""

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        """Always None, as `ssl` without a handshake; ValueError for a kind that there is not."""
        if cb_type not in ssl.CHANNEL_BINDING_TYPES:
            raise ValueError(f"{cb_type} channel binding type not implemented")

    def unwrap(self) -> NoReturn:
        """Always Refused: the module ends TLS and connection together; use close()."""
        raise Refused("the module ends TLS only with the connection; call close()")

    def verify_client_post_handshake(self) -> NoReturn:
        """Always Refused: for servers."""
        raise Refused("a ModuleContext is for clients only")


@contextmanager
def _as_ssl_errors(*refusals: int) -> Iterator[None]:
    """What `net` says of TLS, as programs expect it; `refusals` are further errnos that mean Refused here."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPROTO:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, error.strerror) from error
        if error.errno in (errno.EPROTONOSUPPORT, *refusals):
            raise Refused(error.strerror or str(error)) from error
        raise


def _read(location: Location) -> bytes:
    return Path(os.fsdecode(location)).read_bytes()


def _pem(kind: re.Pattern[bytes], source: bytes) -> bytes:
    """The certificates in a text, without what stands between them."""
    return b"".join(found[0] + b"\n" for found in kind.finditer(source))


def _ders(data: bytes) -> Iterator[bytes]:
    """The certificates in a row of DER; `ssl` has seen that they are."""
    while data:
        size = 2 + data[1] if data[1] < 0x80 else 2 + (data[1] & 0x7F)
        if data[1] >= 0x80:
            size += int.from_bytes(data[2:size], "big")
        yield data[:size]
        data = data[size:]


def _ascii(name: str | bytes) -> str:
    """A host name as it goes over the wire."""
    text = name.decode("ascii") if isinstance(name, bytes) else name
    try:
        return str(ip_address(text))
    except ValueError:
        return text.encode("idna").decode("ascii") if text else text
