"""Passwords are in no log, no representation and no exception, whatever happens to their line."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.at.commands import Raw, SecretRaw, basic, softap, wifi
from esp32sock.at.commands.catalogue import CATALOGUE
from esp32sock.at.commands.certificates import CertificateKind, StoreCertificate
from esp32sock.at.commands.scan import Encryption
from esp32sock.at.firmware import Firmware
from esp32sock.engine.options import Options
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import Error
from esp32sock.simulator import AccessPoint, Settings, parse_faults
from tests.engine.harness import network, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.at.commands import Command
    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened as Simulated

SECRET = "correct horse"
KEY = b"-----BEGIN PRIVATE KEY-----\n" + b"k" * 60 + b"\n-----END PRIVATE KEY-----\n"
POINT = AccessPoint("attic", SECRET, encryption=3)
OWN = softap.SoftApSettings("mine", SECRET, 6, Encryption.WPA2_PSK)
COMMANDS: list[Command[Any]] = [
    wifi.Join("attic", SECRET),
    wifi.Join("nowhere", SECRET),
    wifi.Join("attic", SECRET + "!"),
    softap.SetSoftAp(OWN),
    softap.SoftAp(),
    SecretRaw(f'AT+CWJAP="attic","{SECRET}"'.encode()),
    Raw(f'AT+CWJAP="attic","{SECRET}"'.encode()),
    Raw(f"at+cwjap=attic,{SECRET}".encode()),
    Raw(f'AT+CWSAP="mine","{SECRET}",6,3'.encode()),
    Raw(f'AT+CIPSSLCPSK=0,"{SECRET}","hint"'.encode()),
    Raw(f'AT+MQTTUSERCFG=0,1,"me","you","{SECRET}",0,0,""'.encode()),
    Raw(f'AT+CWJAP_CUR="attic","{SECRET}"'.encode()),
    Raw(f'AT+CWSAP_DEF="mine","{SECRET}",6,3'.encode()),
    Raw(b"AT+CWSAP?"),
]
UNSENDABLE: list[Command[Any]] = [
    command
    for secret in (SECRET + "\n", SECRET + "\0", SECRET + "\r\n", SECRET + "\udc80", SECRET * 10)
    for command in (
        wifi.Join("attic", secret),
        softap.SetSoftAp(softap.SoftApSettings("mine", secret, 6, Encryption.WPA2_PSK)),
        Raw(f'AT+CWJAP="attic","{secret}"'.encode(errors="surrogateescape")),
        StoreCertificate(CertificateKind.KEY, 0, secret.encode(errors="surrogateescape")),
        StoreCertificate(
            CertificateKind.KEY, 0, KEY[:60] + secret.encode(errors="surrogateescape") * 1000 + KEY[60:]
        ),
    )
]


def test_every_class_with_a_secret_is_here() -> None:
    secret = {entry.command for entry in CATALOGUE if entry.command.secret}
    assert {command for command in secret if command.__module__.endswith(("wifi", "softap"))} == {
        wifi.Join,
        softap.SetSoftAp,
        softap.SoftAp,
    }


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: repr(command)[:40])
def test_it_says_nothing_of_itself(command: Command[Any]) -> None:
    assert SECRET not in repr(command)
    assert SECRET not in f"{command}{command.label}"


@pytest.mark.parametrize("command", UNSENDABLE, ids=lambda command: type(command).__name__)
def test_nor_does_the_error_of_what_cannot_be_sent(command: Command[Any]) -> None:
    try:
        line = command.line(Firmware((4, 1, 0, 0)))
    except ValueError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
        assert SECRET[:6] not in shown
        assert SECRET[6:] not in shown
    else:
        assert isinstance(command, Raw)  # any line goes out
        assert line == command.text


@pytest.mark.parametrize("password", [SECRET + "\n", SECRET + "\udc80"])
async def test_joining_with_what_cannot_be_sent(
    password: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Such as a password with the end of the line of its file."""
    async with running(Settings(joined=False, access_points=(POINT,)), network()) as harness:
        with pytest.raises(ValueError, match=r"CR, LF or NUL|UTF-8") as caught:
            await harness.engine.join("attic", password)
        assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)


def test_options_and_results_show_none() -> None:
    assert SECRET not in repr(Options("x", ssid="attic", password=SECRET))
    assert SECRET not in repr(OWN)


class CertificateKind(StreamPort):
    """A module that does not come back in time has its port opened again."""

    async def aclose(self) -> None:
        pass


def opener_of(simulated: Simulated) -> Callable[[str, int], Awaitable[Port]]:
    async def opener(url: str, baud: int) -> Port:
        return CertificateKind(simulated.stream, url)

    return opener


FAULTS = [
    "",
    "echo-on",
    "echo-on,slice-down",
    "error",
    "busy-run:0.5",
    "echo-on,flip-down:0.03",
    "echo-on,drop-down:0.03",
    "no-blank,urc,debug",
]


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: repr(command)[:40])
@pytest.mark.parametrize("profile", ["1.0", "2.4"])
async def test_nothing_is_logged_or_raised_that_holds_it(
    profile: str,
    command: Command[Any],
    faults: str,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[Any] = []
    errors: list[BaseException] = []
    settings = Settings(profile=profile, joined=False, access_points=(POINT,))
    async with running(settings, network(), opener_of) as harness:
        harness.engine.watch(heard.append)
        await harness.engine.execute(wifi.SetMode(wifi.WifiMode.STATION_AND_SOFTAP))
        await harness.engine.execute(softap.SetSoftAp(OWN))
        harness.simulated.module.add_faults(parse_faults(faults))
        for one in (basic.Test(), command, command, command):  # the first has the echo turned on
            try:
                await harness.engine.execute(one, timeout=60)
            except Error as error:
                errors.append(error)
        harness.simulated.module.end_faults()
        await trio.sleep(200)
        await harness.engine.execute(basic.Test())
    raised = "".join(line for error in errors for line in traceback.format_exception(error))
    shown = caplog.text + repr(heard) + raised
    assert SECRET[:6] not in shown
    assert SECRET[6:] not in shown
