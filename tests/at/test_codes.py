"""The module's numbers, in words and as errnos of Linux."""

from __future__ import annotations

import errno

import pytest

from esp32sock.at import codes
from esp32sock.at.commands import basic, tcpip, wifi
from esp32sock.at.commands.wifi import JoinFailure
from esp32sock.errors import CommandError
from tests.at.harness import SessionHarness


def failure(command: object, said: bytes) -> CommandError:
    harness = SessionHarness.ready()
    harness.send(command)  # type: ignore[arg-type]
    harness.feed(said)
    error = harness.events[-1].error  # type: ignore[attr-defined]
    assert isinstance(error, CommandError)
    return error


@pytest.mark.parametrize(
    ("code", "words", "number"),
    [
        (0x01090000, "does not have the command", errno.EOPNOTSUPP),
        (0x010C0000, "does not have this form", errno.EOPNOTSUPP),
        (0x01070002, "a parameter is not valid (number 2)", errno.EINVAL),
        (0x01060302, "the number of parameters: 2, not 3", errno.EINVAL),
        (0x01030000, "too long", errno.EINVAL),
        (0x010B0000, "still running", errno.EBUSY),
        (0x010A0000, "failed", errno.EIO),
        (0x02000000, "", errno.EIO),
    ],
)
def test_an_error_code_says_what_it_means(code: int, words: str, number: int) -> None:
    error = failure(basic.FreeMemory(), b"ERR CODE:0x%08x\r\n\r\nERROR\r\n" % code)
    assert error.error_code == code
    assert words in str(error)
    assert f"0x{code:08x}" in str(error)
    assert error.errno == number


@pytest.mark.parametrize(
    ("code", "words", "number"),
    [
        (111, "connection refused", errno.ECONNREFUSED),
        (104, "reset by peer", errno.ECONNRESET),
        (113, "aborted", errno.ECONNABORTED),
        (116, "timed out", errno.ETIMEDOUT),
        (118, "no route", errno.EHOSTUNREACH),
        (0x01090000, "does not have the command", errno.EOPNOTSUPP),
        (0x8010, "0x00008010)", errno.EIO),
    ],
)
def test_an_errno_of_the_module_is_one_of_linux(code: int, words: str, number: int) -> None:
    error = failure(tcpip.OpenTcp(0, "10.0.2.2", 1), b"+ERRNO:0x%x\r\n\r\nERROR\r\n" % code)
    assert words in str(error)
    assert error.errno == number


@pytest.mark.parametrize(
    ("reason", "number"),
    [
        (JoinFailure.TIMEOUT, errno.ETIMEDOUT),
        (JoinFailure.WRONG_PASSWORD, errno.EACCES),
        (JoinFailure.NOT_FOUND, errno.ENETUNREACH),
        (JoinFailure.FAILED, errno.ECONNREFUSED),
    ],
)
@pytest.mark.parametrize("command", [wifi.Join("attic", "correct horse"), wifi.Rejoin()])
def test_a_join_that_failed_says_why(command: object, reason: JoinFailure, number: int) -> None:
    error = failure(command, b"+CWJAP:%d\r\n\r\nERROR\r\n" % reason)
    assert error.reason is reason
    assert error.errno == number
    assert wifi.JOIN_ADVICE[reason] in str(error)
    assert "correct" not in str(error)


@pytest.mark.parametrize("said", [b"+CWJAP:0\r\n", b"", b"+CWJAP:9\r\n"])
def test_a_join_that_failed_without_a_known_reason(said: bytes) -> None:
    error = failure(wifi.Join("attic"), said + b"\r\nERROR\r\n")
    assert error.reason is None
    assert error.errno == errno.EIO


def test_every_known_errno_has_words() -> None:
    for number in codes._NEWLIB:
        meaning = codes.of_errno(number)
        assert meaning is not None
        assert meaning.text
