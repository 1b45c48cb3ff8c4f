"""What an SSL link is asked for, and whether a firmware generation can give it.

Theory of operation: a module that cannot do what is asked does not say so; it connects. So everything that
was asked for the sake of security is known to be done by this firmware, or refused before a byte is sent. By
generation (at-dialects 7.4, 7.11 and 9, known-bugs 18):

* 0.10 to 1.1: no certificate is checked, none is shown, no server name is sent;
* 1.2 to 2.0: the chain can be verified against an authority in the flash, but not for which host the
  certificate is; one SSL link at a time; the clock comes from SNTP on 1.2;
* from 2.1 on: also the name (CIPSSLCCN), with SNI and ALPN; the clock is set from the host;
* from 3.2 on: certificates are written into their slots at run time.

What is harmless is left out where it cannot be had: SNI, and an offer of one protocol (ALPN).
"""

from __future__ import annotations

import errno
from dataclasses import field
from typing import TYPE_CHECKING

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.ssl import SslAuth, SslSettings
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What an SSL link is asked for.

    `server_name` goes into SNI and, with `check_name`, must be in the certificate, whose chain `verify` has
    checked against the authority in `authority_slot`. `own_slot` is where the certificate and key lie that
    are shown to the server; None shows none. PEM text that is given is written into its slot first.
    """

    server_name: str | None = None
    verify: bool = False
    check_name: bool = False
    authority_slot: int | None = None
    authority: bytes = b""
    own_slot: int | None = None
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    alpn: tuple[str, ...] = ()

    @property
    def settings(self) -> SslSettings:
        """As CIPSSLCCONF counts it."""
        auth = SslAuth.VERIFY_SERVER if self.verify else SslAuth.NONE
        if self.own_slot is not None:
            auth |= SslAuth.OWN_CERTIFICATE
        return SslSettings(auth, self.own_slot or 0, (self.authority_slot or 0) if self.verify else 0)


class TlsRefused(Error):
    """This firmware cannot give what was asked for, so nothing was sent."""

    errno = errno.EPROTONOSUPPORT

    def __init__(self, why: str) -> None:
        super().__init__(f"refused before anything was sent: {why}")


HOST_TLS = "do TLS on the host with ssl.SSLContext, which checks everything"


def refuse_impossible(tls: TlsOptions, firmware: Firmware) -> None:
    """TlsRefused with the reason, if this firmware cannot do what is asked for the sake of security."""
    if tls.verify and not firmware.configures_ssl:
        raise TlsRefused(f"{firmware.release} cannot verify certificates; {HOST_TLS}")
    if tls.own_slot is not None and not firmware.configures_ssl:
        raise TlsRefused(f"{firmware.release} cannot present a client certificate; {HOST_TLS}")
    if tls.check_name and not firmware.names_ssl_servers:
        raise TlsRefused(
            f"{firmware.release} cannot check the server name in a certificate (check_hostname); {HOST_TLS}"
        )
    if tls.check_name and not tls.server_name:
        raise TlsRefused("no server name is given to check the certificate for")
    if tls.verify and tls.authority_slot is None:
        raise TlsRefused(
            "no authority to verify the server's certificate: call load_verify_locations() or give ca_slot"
        )
    written = tls.authority or tls.certificate or tls.key
    if written and not firmware.stores_certificates:
        raise TlsRefused(
            f"{firmware.release} takes certificates only from its flash image: write them there and give "
            "their slot instead of loading them"
        )
