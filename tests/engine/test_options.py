"""Options of TCP links, as each firmware generation can be asked for them (compat 2.4, at-dialects 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esp32sock.engine.requests import StreamOptions
from esp32sock.simulator import Settings
from tests.engine.harness import echo, network, running

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.engine.harness import Harness


def lines_of(harness: Harness) -> list[bytes]:
    """The command lines from now on, as they go out."""
    session, lines = harness.engine.context.channel.session, []
    send = session.send

    def note(command, now):  # type: ignore[no-untyped-def]
        lines.append(command.line(session.firmware))
        send(command, now)

    session.send = note  # type: ignore[method-assign]
    return lines


ALL = StreamOptions(keepalive_s=60, nodelay=True, linger_s=3, send_timeout_ms=1500)


@pytest.mark.parametrize(("profile", "command"), [
    ("doc-v1", None), ("1.2", None), ("2.0", None), ("2.1", b"AT+CIPTCPOPT=4,3,1,1500"),
    ("2.2", b"AT+CIPTCPOPT=4,3,1,1500"), ("2.4", b"AT+CIPTCPOPT=4,3,1,1500,60"),
    ("4.2", b"AT+CIPTCPOPT=4,3,1,1500,60"),
])  # fmt: skip
async def test_options_reach_the_module_with_the_link(
    profile: str, command: bytes | None, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        lines = lines_of(harness)
        user = await harness.connect(7000, options=ALL)
        assert b'AT+CIPSTART=4,"TCP","10.0.2.2",7000,60' in lines
        assert [line for line in lines if b"TCPOPT" in line] == ([command] if command else [])
        await user.end.aclose()


@pytest.mark.parametrize("profile", ["doc-v1", "2.1", "2.4"])
async def test_what_nobody_asked_for_is_not_sent(profile: str, autojump_clock: MockClock) -> None:
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        lines = lines_of(harness)
        for options in (StreamOptions(), StreamOptions(nodelay=False, linger_s=-1, send_timeout_ms=0)):
            user = await harness.connect(7000, options=options)
            await user.end.aclose()
            await user.over.wait()
        assert not [line for line in lines if b"TCPOPT" in line]


@pytest.mark.parametrize(("profile", "fields"), [("doc-v1", None), ("2.0", None), ("2.1", 4), ("2.4", 5)])
async def test_options_change_on_an_open_link(
    profile: str, fields: int | None, autojump_clock: MockClock
) -> None:
    """Back to the defaults, too; http.client asks for TCP_NODELAY only once it is connected."""
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        lines = lines_of(harness)
        for options in (
            StreamOptions(nodelay=True), StreamOptions(nodelay=False), StreamOptions(keepalive_s=30),
            StreamOptions(keepalive_s=0), StreamOptions(linger_s=0), StreamOptions(send_timeout_ms=250),
        ):  # fmt: skip
            await harness.engine.set_link_options(user.request.opening, options)
        said = [line.split(b",")[1:fields] for line in lines]
        expected = [
            [b"-1", b"1", b"0", b"0"], [b"-1", b"0", b"0", b"0"], [b"-1", b"0", b"0", b"30"],
            [b"-1", b"0", b"0", b"0"], [b"0", b"0", b"0", b"0"], [b"-1", b"0", b"250", b"0"],
        ]  # fmt: skip
        shown = [] if fields is None else [each[: fields - 1] for each in expected]
        changes = [each for each, before in zip(shown, [None, *shown], strict=False) if each != before]
        assert said == changes
        await user.end.send_all(b"still here")
        assert await user.end.receive_some(100) == b"still here"
        await user.end.aclose()
