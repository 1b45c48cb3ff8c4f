"""Preparing the module for an SSL link: memory, certificates, clock, names; then the link may be opened.

Theory of operation: the settings belong to the id of a link and outlive the link, so all of them are made
again for each new one unless they are known to be as wanted. Slots are shared: from writing one to the end
of the CIPSTART that reads it no other SSL link may be opened (`lock`). A failure on the way refuses the
connection; no link is opened with less than was asked for. A program may write the same settings and slots
with commands of its own (`on_command_succeeded`): their contents are then unknown, and a link that is being
prepared is not opened.
"""

from __future__ import annotations

import errno
import logging
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import trio

from esp32sock._dataclass import dataclass
from esp32sock.at.commands import basic, sntp, ssl
from esp32sock.at.commands.certificates import CertificateKind, StoreCertificate
from esp32sock.at.commands.clock import Clock, SetClock
from esp32sock.at.framing import LINKS
from esp32sock.at.tls import TlsRefused, refuse_impossible
from esp32sock.errors import CommandError, Error, ModuleReset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from esp32sock.at.commands import Command
    from esp32sock.at.firmware import Firmware
    from esp32sock.at.tls import TlsOptions
    from esp32sock.engine.channel import CommandChannel

SSL_LINK_BYTES = 40_000
"""What an SSL link may take: 25 to 40 kB (at-dialects 7.4), without which the module restarts."""
CLOCK_ERROR = timedelta(minutes=1)
"""A clock that is further off is set; by taste."""
SNTP_S = 15.0
"""How long a time server is waited for, which takes 1 to 10 s and more (at-dialects 7.2)."""
SNTP_LOOK_S = 0.5

_SETS = re.compile(rb"AT\+(?:CIPSSLC\w*|SYSMFG|SYSFLASH)=(?!\?)", re.IGNORECASE)
"""Lines that change what an SSL link is opened with."""

log = logging.getLogger("esp32sock")


@dataclass(frozen=True, slots=True)
class _Names:
    """What is set for one link id: SNI, the name to be checked, the protocols to offer."""

    sni: str
    common: str
    alpn: tuple[str, ...]


class TlsConfigurator:
    """What is set on one module for its SSL links, since it was set up."""

    def __init__(self, firmware: Firmware) -> None:
        self.lock = trio.Lock()
        self.forgotten = False
        """Whether the module has restarted since, which undoes all this."""
        self._firmware = firmware
        self._names: dict[int, _Names] = {}
        self._may_have_names: set[int] = set()
        self._written: dict[tuple[CertificateKind, int], bytes] = {}
        self._disturbed = False
        """Whether a command of the user has changed anything since the preparation of the last link began."""

    def refuse_impossible(self, tls: TlsOptions, *, passive: bool) -> None:
        """TlsRefused if this firmware cannot do what is asked; nothing was sent then."""
        refuse_impossible(tls, self._firmware)
        if passive and self._firmware.drops_unread_ssl:
            raise TlsRefused(
                f"with receive='passive' {self._firmware.release} loses the end of SSL streams; "
                "attach without it"
            )

    def on_command_succeeded(self, command: Command[Any]) -> None:
        """A command of the user takes effect, or may: what it changes is unknown from now on."""
        try:
            line = command.line(self._firmware)
        except ValueError:
            return  # it never goes out
        if not _SETS.match(line):
            return
        self._disturbed = True
        if isinstance(command, StoreCertificate):
            self._written.pop((command.what, command.slot), None)
            return
        self._written.clear()
        self._names.clear()
        self._may_have_names.update(range(LINKS))

    def check(self) -> None:
        """Error if the module may not verify as set: it has restarted, or a command changed that."""
        if self.forgotten:
            raise ModuleReset("the module restarted after its TLS verification was set")
        if self._disturbed:
            raise Error(
                "a command changed what the module verifies while the connection was being made: try again",
                errno=errno.ECONNABORTED,
            )

    @asynccontextmanager
    async def prepared(self, channel: CommandChannel, link_id: int, tls: TlsOptions) -> AsyncIterator[None]:
        """Set for this link all that is wanted; within the block it may be opened, and no other.

        Call `check` while holding the channel to open it. TlsRefused if the module cannot be prepared.
        """
        async with self.lock:
            self._disturbed = False
            try:
                await self._prepare(channel, link_id, tls)
            except CommandError as error:
                raise TlsRefused(f"the module refused its TLS settings: {error}") from error
            except ValueError as error:
                raise TlsRefused(str(error)) from error
            yield

    async def _prepare(self, channel: CommandChannel, link_id: int, tls: TlsOptions) -> None:
        memory = await channel.execute(basic.FreeMemory())
        if memory.free_bytes < SSL_LINK_BYTES:
            raise Error(
                f"the module has {memory.free_bytes} bytes of memory left; an SSL link takes up to "
                f"{SSL_LINK_BYTES}, without which the module restarts: close another SSL link first",
                errno=errno.ENOBUFS,
            )
        if tls.verify:
            await self._set_clock(channel)
            await self._write(channel, CertificateKind.AUTHORITY, tls.authority_slot, tls.authority)
        await self._write(channel, CertificateKind.CERTIFICATE, tls.own_slot, tls.certificate)
        await self._write(channel, CertificateKind.KEY, tls.own_slot, tls.key)
        if self._firmware.configures_ssl:
            await self._configure(channel, ssl.SetSslSettings(link_id, tls.settings))
        if self._firmware.names_ssl_servers:
            await self._set_names(channel, link_id, tls)

    @staticmethod
    async def _configure(channel: CommandChannel, wanted: ssl.SetSslSettings) -> None:
        """Only if it is not so already: it is stored in flash before 2.1.

        2.0 says ERROR where a slot that is not asked for is empty, and does it (esp-at issue 384), so what
        counts is what it shows then.
        """

        async def is_so() -> bool:
            in_force = await channel.execute(ssl.GetSslSettings())
            return in_force.get(wanted.link_id) == wanted.settings

        if await is_so():
            return
        try:
            await channel.execute(wanted)
        except CommandError:
            if not await is_so():
                raise

    async def _write(
        self, channel: CommandChannel, what: CertificateKind, slot: int | None, pem: bytes
    ) -> None:
        """Store a certificate in its slot, unless it is known to be there already."""
        if not pem or slot is None or self._written.get((what, slot)) == pem:
            return
        self._written.pop((what, slot), None)
        await channel.execute(StoreCertificate(what, slot, pem))
        self._written[what, slot] = pem

    async def _set_names(self, channel: CommandChannel, link_id: int, tls: TlsOptions) -> None:
        """SNI, the name to be checked and ALPN; what an earlier link of this id left is taken away."""
        name = tls.server_name or ""
        wanted = _Names("" if _is_address(name) else name, name if tls.check_name else "", tls.alpn)
        before = self._names.pop(link_id, None)
        clean = link_id not in self._may_have_names
        if wanted.sni or wanted.common:
            self._may_have_names.add(link_id)
        if before is None or wanted.sni != before.sni:
            command: Command[None] = ssl.SetServerName(link_id, wanted.sni)
            await self._set_name(channel, command, may_fail=not wanted.sni and clean)
        if before is None or wanted.common != before.common:
            command = ssl.SetCommonName(link_id, wanted.common)
            await self._set_name(channel, command, may_fail=not wanted.common and clean)
        if before is None or wanted.alpn != before.alpn:
            await channel.execute(ssl.SetAlpn(link_id, wanted.alpn))
        self._names[link_id] = wanted

    @staticmethod
    async def _set_name(channel: CommandChannel, command: Command[None], *, may_fail: bool) -> None:
        """Set a name; `may_fail` when a name is removed that is not known to be set."""
        try:
            await channel.execute(command)
        except CommandError as error:
            if not may_fail:
                raise
            log.debug("%s", error)

    async def _set_clock(self, channel: CommandChannel) -> None:
        """A certificate is valid for a time, so the module's clock must be set (known-bugs 18)."""
        now = datetime.now(UTC)
        if self._firmware.clock_can_be_set:
            if abs(await channel.execute(Clock()) - now) > CLOCK_ERROR:
                await channel.execute(SetClock(now))
            return
        if await channel.execute(sntp.GetTimeSource()) is None:
            await channel.execute(sntp.SetTimeSource(sntp.TimeSource(0)))
        give_up = trio.current_time() + SNTP_S
        while trio.current_time() < give_up:
            if await channel.execute(sntp.Time()) is not None:
                return
            await trio.sleep(SNTP_LOOK_S)
        raise TlsRefused(
            f"the module's clock is not set, and no time server has answered within {SNTP_S:.0f} s: "
            "set a reachable time server (AT+CIPSNTPCFG)"
        )


def _is_address(name: str) -> bool:
    """Whether it is a numeric address, which does not belong into SNI (RFC 6066, 3)."""
    try:
        ip_address(name)
    except ValueError:
        return bool(name) and name.replace(".", "").isdigit()
    return True
