"""SSL links over the simulated module in memory: what each generation can give, and what it refuses."""

from __future__ import annotations

import contextlib
import errno
import re
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.at.commands import Raw
from esp32sock.at.commands.certificates import CertificateKind, StoreCertificate
from esp32sock.at.commands.ssl import (
    GetSslSettings,
    SetAlpn,
    SetCommonName,
    SetServerName,
    SetSslSettings,
    SslAuth,
    SslSettings,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.tls import TlsOptions, TlsRefused, refuse_impossible
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import CommandError, Error, ModuleReset
from esp32sock.simulator import MemoryNetwork, Settings
from esp32sock.simulator.environment.certificates import CA, CLIENT_CERTIFICATE, CLIENT_KEY
from esp32sock.simulator.network.memory import TlsPeer
from tests.engine.harness import HOST, User, echo, running

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.at.commands import Command
    from esp32sock.engine.transports import Port
    from esp32sock.simulator.network.memory import Connection
    from esp32sock.simulator.runtime.runner import Opened as Simulated
    from tests.engine.harness import Harness

NONE = TlsOptions()
CHAIN = TlsOptions(verify=True, authority_slot=0)
NAMED = TlsOptions(server_name="host.test", verify=True, check_name=True, authority_slot=0)
LOADED = TlsOptions("host.test", True, True, 1, CA.encode())
OWN = TlsOptions(own_slot=0)
OWN_LOADED = TlsOptions(own_slot=1, certificate=CLIENT_CERTIFICATE.encode(), key=CLIENT_KEY.encode())

ALL = ("doc-v1", "0.10", "1.0", "1.2", "2.0", "2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0")
ANOTHER_CA = CA.replace("MIIB", "MIIC")


class LineRecorder:
    """What the host wrote, as lines."""

    def __init__(self) -> None:
        self.heard = b""

    def __call__(self, simulated: Simulated) -> object:
        recorder = self

        class Overheard(StreamPort):
            async def send(self, data: bytes | memoryview) -> None:
                recorder.heard += bytes(data)
                await super().send(data)

        async def opener(url: str, baud: int) -> Port:
            return Overheard(simulated.stream, url)

        return opener

    def said(self, start: str) -> list[str]:
        return re.findall(rf"AT\+({start}[^\r]*)\r\n", self.heard.decode("latin-1"))


def secure_network(**peers: TlsPeer) -> MemoryNetwork:
    """An echo behind TLS on 7443, and others by port: `secure_network(p7444=TlsPeer(...))`."""
    net = MemoryNetwork()
    net.listen(HOST, 7443, echo, tls=TlsPeer())
    net.listen(HOST, 7000, echo)
    for name, peer in peers.items():
        net.listen(HOST, int(name[1:]), echo, tls=peer)
    return net


async def failure(harness: Harness, port: int, tls: TlsOptions, **options: object) -> Error:
    with pytest.raises(Error) as caught:
        await harness.connect(port, tls=tls, **options)
    return caught.value


async def talks(user: User) -> None:
    await user.end.send_all(b"hello")
    assert await user.end.receive_some(100) == b"hello"


async def closed(harness: Harness) -> None:
    """All connections so far."""
    for user in harness.users:
        await user.end.aclose()
        await user.over.wait()


def kinds(harness: Harness) -> list[str]:
    return [record.kind for record in harness.simulated.module.journal.links]


# ---- what can be had


@pytest.mark.parametrize("profile", ALL)
async def test_carries_bytes_unverified(profile: str, autojump_clock: MockClock) -> None:
    async with running(Settings(profile=profile), secure_network()) as harness:
        user = await harness.connect(7443, tls=TlsOptions(server_name="host.test"))
        await talks(user)
        await user.end.send_all(b"x" * 20_000)
        got = b""
        while len(got) < 20_000:
            got += await user.end.receive_some(4096)
        assert got == b"x" * 20_000
        assert harness.engine.context.pool.secure == {user.link_id}
        await user.end.aclose()
        await user.over.wait()
    assert kinds(harness) == ["SSL"]


@pytest.mark.parametrize("profile", ["1.2", "2.0", "2.1", "2.2", "2.4", "3.4", "4.1", "4.2"])
async def test_verifies_a_chain(profile: str, autojump_clock: MockClock) -> None:
    network = secure_network(
        p7444=TlsPeer(authority=ANOTHER_CA),
        p7445=TlsPeer(not_after_s=1_600_000_000.0),
    )
    async with running(Settings(profile=profile), network) as harness:
        await talks(await harness.connect(7443, tls=CHAIN))
        await closed(harness)
        for port in (7444, 7445):
            error = await failure(harness, port, CHAIN, wait_for_link_s=5.0)
            assert error.errno == errno.EPROTO
            assert "certificate" in str(error)
        assert kinds(harness) == ["SSL"]


@pytest.mark.parametrize("profile", ["2.1", "2.2", "2.4", "3.4", "4.1", "4.2"])
async def test_checks_the_name(profile: str, autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    network = secure_network(p7444=TlsPeer(names=("other.test",)))
    async with running(Settings(profile=profile), network, recorder) as harness:
        await talks(await harness.connect(7443, tls=NAMED))
        assert (await failure(harness, 7444, NAMED)).errno == errno.EPROTO
        assert 'CIPSSLCSNI=4,"host.test"' in recorder.said("CIPSSLCSNI")


@pytest.mark.parametrize("profile", ["3.4", "4.1", "4.2"])
async def test_writes_what_was_loaded_once(profile: str, autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    network = secure_network(p7444=TlsPeer(authority="an authority of its own"))
    text = b"-----BEGIN X-----\nan authority of its own\n-----END X-----\n"
    loaded = TlsOptions("host.test", True, True, 1, text)
    async with running(Settings(profile=profile), network, recorder) as harness:
        for _ in range(2):
            await talks(await harness.connect(7443, tls=LOADED))
            await closed(harness)
        assert recorder.said("SYSMFG") == [f'SYSMFG=2,"client_ca","client_ca.1",8,{len(CA)}']
        await talks(await harness.connect(7444, tls=loaded))
        await closed(harness)
        assert (await failure(harness, 7443, loaded)).errno == errno.EPROTO
        await talks(await harness.connect(7443, tls=OWN_LOADED))
        assert [line.split(",")[2] for line in recorder.said("SYSMFG")] == [
            '"client_ca.1"',
            '"client_ca.1"',
            '"client_cert.1"',
            '"client_key.1"',
        ]


async def test_a_link_does_not_inherit_what_its_id_was_told(autojump_clock: MockClock) -> None:
    """With all ids but one taken, the next connection gets the same one."""
    recorder = LineRecorder()
    async with running(Settings(profile="2.4"), secure_network(), recorder) as harness:
        others = [await harness.connect(7000) for _ in range(4)]
        first = await harness.connect(7443, tls=NAMED)
        await first.end.aclose()
        await first.over.wait()
        second = await harness.connect(7443, tls=NONE, wait_for_link_s=5.0)
        assert second.link_id == first.link_id == 0
        assert recorder.said("CIPSSLCSNI") == ['CIPSSLCSNI=0,"host.test"', 'CIPSSLCSNI=0,""']
        assert recorder.said("CIPSSLCCN") == ['CIPSSLCCN=0,"host.test"', 'CIPSSLCCN=0,""']
        assert recorder.said("CIPSSLCCONF=") == ["CIPSSLCCONF=0,2,0,0", "CIPSSLCCONF=0,0,0,0"]
        assert len({user.link_id for user in others}) == 4


async def test_a_restart_forgets_what_was_told(autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    async with running(Settings(profile="4.1"), secure_network(), recorder) as harness:
        first = await harness.connect(7443, tls=LOADED)
        await harness.engine.context.channel.force_restart()
        await first.over.wait()
        assert isinstance(first.error, ModuleReset)
        await talks(await harness.connect(7443, tls=LOADED))
        assert len(recorder.said("SYSMFG")) == 2
        assert len(recorder.said("CIPSSLCCN")) == 2


async def test_giving_up_on_the_way_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    """While 1.2 waits for the time, which nobody tells."""
    network = secure_network()
    network.start_unix_s = None
    async with running(Settings(profile="1.2"), network) as harness:
        user = harness.begin(7443, tls=CHAIN)
        await trio.sleep(1)
        other = harness.begin(7443, tls=NONE, wait_for_link_s=None)
        await trio.sleep(1)
        user.request.opening.scope.cancel()
        await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ECONNABORTED
        await other.decided.wait()
        await talks(other)


@pytest.mark.parametrize("profile", ["3.4", "4.1"])
async def test_passive_receive_to_the_end(profile: str, autojump_clock: MockClock) -> None:
    """The module counts encrypted bytes, so it announces more than there is to read (known-bugs 8)."""
    letters = bytes(i % 26 + 65 for i in range(20_000))

    async def peer(connection: Connection) -> None:
        connection.send(letters)
        connection.close()

    network = secure_network()
    network.listen(HOST, 7444, peer, tls=TlsPeer())
    async with running(Settings(profile=profile), network) as harness:
        user = await harness.connect(7444, tls=NONE)
        assert await user.read_all() == letters
        await user.over.wait()
        assert user.error is None


async def test_a_numeric_address_is_not_asked_for(autojump_clock: MockClock) -> None:
    """RFC 6066 keeps them out of SNI, but the certificate is compared."""
    recorder = LineRecorder()
    numeric = TlsOptions(HOST, verify=True, check_name=True, authority_slot=0)
    async with running(
        Settings(profile="2.4"), secure_network(p7444=TlsPeer(names=(HOST,))), recorder
    ) as harness:
        await talks(await harness.connect(7444, tls=numeric))
        assert recorder.said("CIPSSLCSNI") == ['CIPSSLCSNI=4,""']
        assert recorder.said("CIPSSLCCN") == [f'CIPSSLCCN=4,"{HOST}"']


# ---- what is refused


@pytest.mark.parametrize(
    ("tls", "able"),
    [
        (CHAIN, ALL[3:]),
        (NAMED, ALL[5:]),
        (LOADED, ALL[8:]),
        (OWN, ALL[3:]),
        (OWN_LOADED, ALL[8:]),
    ],
    ids=["chain", "name", "loaded", "own", "own loaded"],
)
async def test_what_a_generation_cannot_give_is_refused_before_anything_is_sent(
    tls: TlsOptions, able: tuple[str, ...], autojump_clock: MockClock
) -> None:
    for profile in ALL:
        recorder = LineRecorder()
        async with running(Settings(profile=profile), secure_network(), recorder) as harness:
            if profile in able:
                await talks(await harness.connect(7443, tls=tls))
                continue
            error = await failure(harness, 7443, tls)
            assert isinstance(error, TlsRefused)
            assert error.errno == errno.EPROTONOSUPPORT
            assert "refused before anything was sent" in str(error)
            assert recorder.said("CIPSTART") == recorder.said("CIPSSL") == []
            assert kinds(harness) == []


@pytest.mark.parametrize("tls", [TlsOptions(verify=True), TlsOptions(verify=True, check_name=True)])
def test_what_no_generation_can_give(tls: TlsOptions) -> None:
    with pytest.raises(TlsRefused):
        refuse_impossible(tls, Firmware((9, 9, 0, 0)))


async def test_an_empty_slot(autojump_clock: MockClock) -> None:
    async with running(
        Settings(profile="2.4", certificates=(("client_ca.0", ""),)), secure_network()
    ) as harness:
        error = await failure(harness, 7443, CHAIN)
        assert error.errno == errno.EPROTO
        assert "the slot holds no CA" in str(error)


async def test_a_module_that_cannot_be_set_up_for_it(autojump_clock: MockClock) -> None:
    """A name that no command carries; nothing is opened without it."""
    recorder = LineRecorder()
    async with running(Settings(profile="2.4"), secure_network(), recorder) as harness:
        error = await failure(harness, 7443, TlsOptions(server_name="x" * 65))
        assert error.errno == errno.EPROTONOSUPPORT
        assert recorder.said("CIPSTART") == []


async def test_a_restart_before_it_is_opened(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The module knows nothing any more of what it was to verify: it would open anything."""
    recorder = LineRecorder()
    network = secure_network(p7444=TlsPeer(authority=ANOTHER_CA))
    async with running(Settings(profile="2.4"), network, recorder) as harness:
        channel = harness.engine.context.channel
        execute = channel.execute

        async def slow(command: Command[Any], **options: Any) -> Any:
            result = await execute(command, **options)
            if isinstance(command, SetAlpn):  # the last of the settings
                await channel.force_restart()
                await trio.sleep(30)
                await harness.engine.context.ready()
            return result

        monkeypatch.setattr(channel, "execute", slow)
        assert isinstance(await failure(harness, 7444, NAMED), ModuleReset)
        assert recorder.said("CIPSTART") == []
        monkeypatch.undo()
        await talks(await harness.connect(7443, tls=NAMED))


@pytest.mark.parametrize("obeys", [True, False])
async def test_a_module_that_says_error_to_its_settings(
    obeys: bool, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """2.0 does, and obeys all the same (esp-at issue 384); what it shows is what counts."""
    async with running(Settings(profile="2.0"), secure_network()) as harness:
        execute = harness.engine.context.channel.execute

        async def contrary(command: Command[Any], **options: Any) -> Any:
            if not isinstance(command, SetSslSettings):
                return await execute(command, **options)
            if obeys:
                await execute(command, **options)
            raise CommandError(command.label, "ERROR")

        monkeypatch.setattr(harness.engine.context.channel, "execute", contrary)
        if obeys:
            await talks(await harness.connect(7443, tls=CHAIN))
        else:
            assert isinstance(await failure(harness, 7443, CHAIN), TlsRefused)
            assert kinds(harness) == []


async def test_passive_receive_that_loses_the_end(autojump_clock: MockClock) -> None:
    async with running(Settings(profile="2.4"), secure_network(), receive="passive") as harness:
        assert "receive='passive'" in str(await failure(harness, 7443, NONE))


async def test_no_tls_there(autojump_clock: MockClock) -> None:
    async with running(Settings(profile="2.4"), secure_network()) as harness:
        assert (await failure(harness, 7000, NONE)).errno == errno.EPROTO
        assert (await failure(harness, 1, NONE)).errno == errno.EPROTO


# ---- the clock


@pytest.mark.parametrize("profile", ["2.0", "2.4", "4.1"])
async def test_the_clock_is_set_by_the_hosts(profile: str, autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    async with running(Settings(profile=profile), secure_network(), recorder) as harness:
        await talks(await harness.connect(7443, tls=NONE))
        assert recorder.said("SYSTIMESTAMP") == []
        for _ in range(2):
            await closed(harness)
            await harness.connect(7443, tls=CHAIN, wait_for_link_s=5.0)
        assert len(recorder.said("SYSTIMESTAMP=")) == 1


async def test_the_clock_is_asked_of_the_network(autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    async with running(Settings(profile="1.2"), secure_network(), recorder) as harness:
        await talks(await harness.connect(7443, tls=CHAIN))
        assert recorder.said("CIPSNTPCFG=") == ["CIPSNTPCFG=1,0"]


async def test_without_a_clock_nothing_is_verified(autojump_clock: MockClock) -> None:
    recorder, network = LineRecorder(), secure_network()
    network.start_unix_s = None
    async with running(Settings(profile="1.2"), network, recorder) as harness:
        error = await failure(harness, 7443, CHAIN)
        assert isinstance(error, TlsRefused)
        assert "clock" in str(error)
        assert recorder.said("CIPSTART") == []
        assert harness.engine.context.pool.secure == set()


# ---- how many


@pytest.mark.parametrize("profile", ["doc-v1", "1.2", "2.0"])
async def test_one_at_a_time_up_to_2_0(profile: str, autojump_clock: MockClock) -> None:
    async with running(Settings(profile=profile), secure_network()) as harness:
        first = await harness.connect(7443, tls=NONE)
        error = await failure(harness, 7443, NONE, wait_for_link_s=1.0)
        assert error.errno == errno.EMFILE
        assert "one SSL link at a time" in str(error)
        await talks(await harness.connect(7000))
        waiting = harness.begin(7443, tls=NONE, wait_for_link_s=None)
        await trio.testing.wait_all_tasks_blocked()
        assert waiting.events == []
        await first.end.aclose()
        await waiting.decided.wait()
        await talks(waiting)


async def test_as_many_as_memory_holds_from_2_1_on(autojump_clock: MockClock) -> None:
    async with running(Settings(profile="2.4"), secure_network()) as harness:
        users = [await harness.connect(7443, tls=NONE) for _ in range(4)]
        error = await failure(harness, 7443, NONE)
        assert error.errno == errno.ENOBUFS
        assert "memory" in str(error)
        for user in users:
            await talks(user)


# ---- in place of a TCP link


@pytest.mark.parametrize("profile", ["doc-v1", "2.4", "4.1"])
async def test_replaces_a_connection_that_carried_nothing(profile: str, autojump_clock: MockClock) -> None:
    async with running(Settings(profile=profile), secure_network()) as harness:
        others = [await harness.connect(7000) for _ in range(4)]
        plain = await harness.connect(7000)
        user = await harness.connect(7443, tls=NONE, replaces=plain, wait_for_link_s=0.0)
        await talks(user)
        assert plain.events == ["opened", "ended"]
        assert user.link_id == plain.link_id
        assert kinds(harness) == ["TCP"] * 5 + ["SSL"]
        assert len(others) == 4


@pytest.mark.parametrize("carried", ["sent", "unsent", "received"])
async def test_not_one_that_carried_bytes(carried: str, autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    async with running(Settings(profile="2.4"), secure_network(), recorder) as harness:
        plain = await harness.connect(7000)
        if carried != "unsent":
            await plain.end.send_all(b"hello")
        if carried == "received":
            await plain.end.receive_some(100)
        elif carried == "sent":
            await trio.sleep(1)
        else:
            plain.end.socket._sock.send(b"hello")  # type: ignore[attr-defined]  # no task has run since
        error = await failure(harness, 7443, NONE, replaces=plain)
        assert error.errno == errno.EISCONN
        assert "STARTTLS" in str(error)
        assert len(recorder.said("CIPSTART")) == 1
        assert plain.events == ["opened"]


async def test_a_refusal_leaves_the_old_connection_alone(autojump_clock: MockClock) -> None:
    async with running(Settings(profile="doc-v1"), secure_network()) as harness:
        plain = await harness.connect(7000)
        assert isinstance(await failure(harness, 7443, CHAIN, replaces=plain), TlsRefused)
        await talks(plain)


async def test_one_that_has_ended(autojump_clock: MockClock) -> None:
    async with running(Settings(profile="2.4"), secure_network()) as harness:
        plain = await harness.connect(7000)
        await plain.end.aclose()
        await plain.over.wait()
        assert (await failure(harness, 7443, NONE, replaces=plain)).errno == errno.ECONNRESET


# ---- and somebody else's commands


PEM_OF_ANOTHER = b"-----BEGIN X-----\nanother\n-----END X-----\n"
WRITTEN = f'SYSMFG=2,"client_ca","client_ca.1",8,{len(CA)}'
NAMED_AGAIN = ['CIPSSLCSNI=0,"host.test"', 'CIPSSLCCN=0,"host.test"', "CIPSSLCALPN=0,0"]
ALL_AGAIN = [WRITTEN, *NAMED_AGAIN]
THEIRS: list[tuple[Command[Any], list[str]]] = [
    (StoreCertificate(CertificateKind.AUTHORITY, 1, PEM_OF_ANOTHER), [WRITTEN]),
    (StoreCertificate(CertificateKind.AUTHORITY, 0, PEM_OF_ANOTHER), []),
    (SetServerName(0, "theirs.test"), ALL_AGAIN),
    (SetCommonName(0, "theirs.test"), ALL_AGAIN),
    (SetAlpn(0, ("theirs",)), ALL_AGAIN),
    (SetSslSettings(0, SslSettings(SslAuth.NONE)), [WRITTEN, "CIPSSLCCONF=0,2,0,1", *NAMED_AGAIN]),
    (Raw(b'at+cipsslccn=0,"theirs.test"'), ALL_AGAIN),
    (GetSslSettings(), []),
    (Raw(b"AT+CIPSSLCCN=?"), []),
]


@pytest.mark.parametrize(("command", "again"), THEIRS, ids=lambda value: repr(value)[:40])
async def test_what_somebody_else_may_have_set_is_set_again(
    command: Command[Any], again: list[str], autojump_clock: MockClock
) -> None:
    recorder = LineRecorder()
    async with running(Settings(profile="4.1"), secure_network(), recorder) as harness:
        for _ in range(4):
            await harness.connect(7000)  # so that every SSL link has id 0
        first = await harness.connect(7443, tls=LOADED)
        await first.end.aclose()
        await first.over.wait()
        with contextlib.suppress(CommandError):  # there are commands that do not explain themselves
            await harness.engine.execute(command)
        recorder.heard = b""
        second = await harness.connect(7443, tls=LOADED, wait_for_link_s=5.0)
        assert second.link_id == first.link_id == 0
        await talks(second)
        assert recorder.said("(?:SYSMFG|CIPSSLC[A-Z]+)=") == again


async def test_one_that_fails_may_have_done_it_all_the_same(autojump_clock: MockClock) -> None:
    recorder = LineRecorder()
    async with running(Settings(profile="4.1"), secure_network(), recorder) as harness:
        await talks(await harness.connect(7443, tls=LOADED))
        await closed(harness)
        with pytest.raises(Error):
            await harness.engine.execute(
                StoreCertificate(CertificateKind.AUTHORITY, 1, PEM_OF_ANOTHER), timeout=0.0
            )
        recorder.heard = b""
        await talks(await harness.connect(7443, tls=LOADED))
        assert recorder.said("SYSMFG")


async def test_a_command_while_a_link_is_made_ready(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """It would be verified against what that command has written."""
    recorder = LineRecorder()
    async with running(Settings(profile="4.1"), secure_network(), recorder) as harness:
        execute = harness.engine.context.channel.execute

        async def line_proxy(command: Command[Any], **options: Any) -> Any:
            result = await execute(command, **options)
            if isinstance(command, SetAlpn):  # the last of the settings
                await harness.engine.execute(StoreCertificate(CertificateKind.AUTHORITY, 1, PEM_OF_ANOTHER))
            return result

        monkeypatch.setattr(harness.engine.context.channel, "execute", line_proxy)
        error = await failure(harness, 7443, LOADED)
        assert error.errno == errno.ECONNABORTED
        assert recorder.said("CIPSTART") == []
        monkeypatch.undo()
        await talks(await harness.connect(7443, tls=LOADED))


async def test_their_names_are_taken_away_or_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile="4.1"), secure_network()) as harness:
        execute = harness.engine.context.channel.execute

        async def contrary(command: Command[Any], **options: Any) -> Any:
            if isinstance(command, SetCommonName) and not command.common_name:
                raise CommandError(command.label, "ERROR")
            return await execute(command, **options)

        monkeypatch.setattr(harness.engine.context.channel, "execute", contrary)
        await talks(await harness.connect(7443, tls=NONE))  # nobody has set any
        await closed(harness)
        for link_id in range(5):
            await harness.engine.execute(SetCommonName(link_id, "theirs.test"))
        assert isinstance(await failure(harness, 7443, NONE), TlsRefused)


async def test_a_certificate_goes_over_nobodys_link(autojump_clock: MockClock) -> None:
    """It may be stored while every link is somebody's."""
    async with running(Settings(profile="4.1"), secure_network()) as harness:
        users = [await harness.connect(7000) for _ in range(5)]
        await harness.engine.execute(StoreCertificate(CertificateKind.AUTHORITY, 1, PEM_OF_ANOTHER))
        for user in users:
            await talks(user)
