"""AT+CIPSENDL and CIPSENDEX: at-dialects 7.5, the sendl, tcp-single and plus-plus-plus files."""

import re

import pytest

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
PROMPT = b"\r\nOK\r\n\r\n>"
SINK = 'AT+CIPSTART="TCP","10.0.2.2",7004'
ECHO = 'AT+CIPSTART="TCP","10.0.2.2",7000'
OBEY = 'AT+CIPSTART="TCP","10.0.2.2",7003'
WITH = ("2.4", "3.2", "3.4", "4.1", "4.2", "5.0")


@pytest.fixture(params=WITH)
def linked(request, quiet):
    bench = quiet(request.param)
    bench.do(SINK)
    return bench


def test_ten_bytes(linked):
    assert linked.say(b"AT+CIPSENDL=10\r\n") == PROMPT
    assert linked.say(b"0123456789") == b"+CIPSENDL:10,10\r\n\r\nSEND OK\r\n"


def test_in_two_pieces(linked):
    linked.do("AT+CIPSENDL=10")
    assert linked.say(b"01234", within=3) == b""
    assert linked.say(b"56789") == b"+CIPSENDL:10,10\r\n\r\nSEND OK\r\n"
    assert linked.module.journal.bytes_sent == 10


def test_reports(linked):
    """One for each 1024 sent, and the last at the end; what came in runs ahead of what went out."""
    linked.do("AT+CIPSENDL=20000")
    said = linked.say(b"\x1c" * 20000)
    assert said.endswith(b"+CIPSENDL:20000,20000\r\n\r\nSEND OK\r\n")
    reports = [tuple(map(int, pair)) for pair in re.findall(rb"\+CIPSENDL:(\d+),(\d+)\r\n", said)]
    assert [sent for sent, _ in reports] == [*range(1024, 20000, 1024), 20000]
    assert all(sent <= received for sent, received in reports)
    assert linked.module.journal.bytes_sent == 20000


def test_bytes_behind_it(linked):
    """They count in the second number, are dropped, and `busy p...` comes last."""
    linked.do("AT+CIPSENDL=5")
    assert linked.say(b"abcdeAT\r\n") == b"+CIPSENDL:5,9\r\n\r\nSEND OK\r\n\r\nbusy p...\r\n"
    assert linked.say(b"AT\r\n") == OK


def test_left_early(linked):
    linked.do("AT+CIPSENDL=100")
    linked.say(b"abc", within=2)
    assert linked.say(b"+++") == b"\r\nSEND CANCELLED\r\n"
    assert linked.say(b"AT\r\n") == OK
    assert linked.module.journal.bytes_sent == 3


def test_peer_closes_on_the_way(linked):
    """CLOSED at once, but the rest is still wanted."""
    linked.do("AT+CIPCLOSE", OBEY, "AT+CIPSENDL=3000")
    assert linked.say(b"close\r\n", within=4) == b"CLOSED\r\n"
    said = b"".join(b"+CIPSENDL:7,%d\r\n" % n for n in (1031, 2055, 3000))
    assert linked.say(b"x" * 2993) == said + b"\r\nSEND FAIL\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("AT+CIPSENDLCFG?", b"+CIPSENDLCFG:1024,2920\r\n" + OK),
        ("AT+CIPSENDLCFG=4096", OK),
        ("AT+CIPSENDLCFG=4096,1000", OK),
        ("AT+CIPSENDLCFG=99", ERROR),
        ("AT+CIPSENDLCFG=1048577", ERROR),
        ("AT+CIPSENDLCFG=1024,2921", ERROR),
        ("AT+CIPSENDL=0", ERROR),
        ("AT+CIPSENDL=2147483648", ERROR),
        ("AT+CIPSENDL=2147483647", PROMPT),
    ],
)
def test_limits(linked, line, answer):
    assert linked.say(line.encode() + b"\r\n") == answer


def test_without_a_link(quiet):
    bench = quiet("4.1")
    assert bench.say(b"AT+CIPSENDL=10\r\n") == ERROR


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.2"])
def test_not_before_2_4(quiet, profile):
    bench = quiet(profile)
    bench.do(SINK)
    assert bench.say(b"AT+CIPSENDL=10\r\n").endswith(ERROR)


# CIPSENDEX: (length, reads, payload that goes out, source)
ESCAPED = [
    (20, [b"short\\0"], b"short", "tcp-single"),
    (4, [b"abcd"], b"abcd", "tcp-single"),
    (20, [b"sho", b"rt\\", b"0"], b"short", "in pieces"),
]
UNESCAPED = [
    (20, [b"a\\\\0b\\0"], b"a\\0b", "V1.0 5.2.5: a backslash escapes itself"),
    (20, [b"\\a\\b\\0"], b"ab", "at-dialects 7.5"),
    (4, [b"\\a\\b\\cd"], b"abcd", "4.1: the length counts what goes out"),
    (3, [b"ab\\"], b"ab\\", "4.1: a backslash that would be the last byte"),
    (3, [b"ab", b"\\"], b"ab\\", "in pieces"),
]
RAW = [
    (20, [b"a\\nb\\0"], b"a\\nb", "2.0: nothing is unescaped"),
    (4, [b"a\\\\b"], b"a\\\\b", "2.0: bytes count as they are written"),
    (2, [b"ab\\0"], b"ab", "2.0: what ends it is dropped in silence"),
    (3, [b"ab\\"], b"ab\\", "2.0"),
    (8, [b"abcd", b"efg\\"], b"abcdefg\\", "2.0, in pieces"),
]


@pytest.mark.parametrize(
    ("profile", "length", "reads", "payload"),
    [
        pytest.param(profile, *row[:3], id=f"{profile} {row[1]} {row[3]}")
        for profiles, rows in (
            (("1.0", "2.0", "2.4", "4.1"), ESCAPED),
            (("doc-v1", "2.4", "4.1"), UNESCAPED),
            (("1.0", "2.0"), RAW),
        )
        for profile in profiles
        for row in rows
    ],
)
def test_escaped(quiet, profile, length, reads, payload):
    bench = quiet(profile)
    bench.do(ECHO)
    assert bench.say(b"AT+CIPSENDEX=%d\r\n" % length) == b"".join(bench.module.profile.prompt)
    said = b"".join(bench.say(read, within=1) for read in reads)
    count, trailer = len(payload), bench.module.profile.ipd_trailer
    receipt = b"\r\nRecv %d bytes\r\n" % count if bench.module.profile.says_recv else b""
    assert said == receipt + b"\r\nSEND OK\r\n\r\n+IPD,%d:" % count + payload + trailer


@pytest.mark.parametrize("profile", ["1.0", "2.0", "4.1"])
def test_escaped_too_long(quiet, profile):
    """real-firmware 7: what is too much, the end mark not counted, is busy."""
    bench = quiet(profile)
    bench.do(SINK, "AT+CIPSENDEX=2")
    assert bench.say(b"abc\\0") == b"\r\nbusy p...\r\n\r\nRecv 2 bytes\r\n\r\nSEND OK\r\n"


@pytest.mark.parametrize(("profile", "hangs"), [("1.0", True), ("2.0", True), ("4.1", False)])
def test_nothing_to_send(quiet, profile, hangs):
    """real-firmware 4: 1.0 and 2.0 are deaf from then on; that later ones are not is a guess."""
    bench = quiet(profile)
    bench.do(SINK)
    bench.say(b"AT+CIPSENDEX=20\r\n")
    assert (bench.say(b"\\0") == b"") is hangs
    assert (bench.say(b"AT\r\n") == b"") is hangs


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
def test_escaped_is_cancelled_too(quiet, profile):
    bench = quiet(profile)
    bench.do(SINK, "AT+CIPSENDEX=20")
    assert bench.say(b"+++") == b"\r\nSEND Canceled\r\n"
