"""The module's server: V1.0 5.2.9, 5.2.12, at-dialects 7.9, sweeps of CIPSERVER, CIPSTO; v4.1dev-server."""

import pytest

from esp32sock.simulator.profiles.generations import PROFILES
from tests.simulator.conftest import echo, sink

OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
FIRMWARE = tuple(name for name in PROFILES if name != "doc-v1")
MODERN = ("2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0")


async def quiet_client(connection):
    while await connection.receive():
        pass
    connection.close()


# (profiles, lines before, line, answer, source)
TABLE = [
    (FIRMWARE, ["AT+CIPMUX=0"], "AT+CIPSERVER=1,8080", ERROR, "sweep of CIPSERVER"),
    (FIRMWARE, ["AT+CIPMUX=0"], "AT+CIPSERVER=0", ERROR, "sweep of CIPSERVER, 2.0"),
    (FIRMWARE, [], "AT+CIPSERVER=0", OK, "sweep of CIPSERVER, 2.0: nothing runs"),
    (FIRMWARE, [], "AT+CIPSERVER=1", OK, "V1.0 5.2.9"),
    (FIRMWARE, [], "AT+CIPSERVER=1,65536", ERROR, "sweep of CIPSERVER"),
    (FIRMWARE, [], "AT+CIPSERVER=1,0", ERROR, "sweep of CIPSERVER"),
    (FIRMWARE, ["AT+CIPSERVER=1,8080"], "AT+CIPSERVER=1,8080", OK, "2.0, 4.1: a second start"),
    (FIRMWARE, ["AT+CIPSERVER=1,8080"], "AT+CIPSERVER=1,8081", OK, "sweep of CIPSERVER, 2.0"),
    (FIRMWARE, ["AT+CIPSERVER=1,8080"], "AT+CIPMUX=0", ERROR, "V1.0 5.2.8; 4.1 server"),
    (("1.0", "1.2", "2.0", "2.1"), ["AT+CIPSERVER=1,8080"], "AT+CIPSERVER=0,1", ERROR, "sweep, 2.0"),
    (("2.2", "4.1"), ["AT+CIPSERVER=1,8080"], "AT+CIPSERVER=0,1", OK, "4.1 server"),
    (("1.0", "2.0"), [], "AT+CIPSERVER=2", OK, "sweep of CIPSERVER, 2.0"),
    (("2.0",), [], "AT+CIPSERVER=2,8080", ERROR, "sweep of CIPSERVER, 2.0"),
    (("2.0",), [], 'AT+CIPSERVER=1,8080,"UDP"', OK, "sweep of CIPSERVER, 2.0: it is TCP"),
    (("2.4",), [], 'AT+CIPSERVER=1,8080,"UDP"', ERROR, "a guess"),
    (("2.0",), [], 'AT+CIPSERVER=1,8080,"TCP",0', ERROR, "sweep of CIPSERVER, 2.0"),
    (("4.1",), [], 'AT+CIPSERVER=1,8080,"TCP",0,1', OK, "at-dialects 7.9"),
    (("1.0", "2.0", "4.1"), [], "AT+CIPSERVER?", b"+CIPSERVER:0\r\n" + OK, "observed"),
    (
        ("1.0", "2.0"),
        ["AT+CIPSERVER=1"],
        "AT+CIPSERVER?",
        b'+CIPSERVER:1,333,"TCP",0\r\n' + OK,
        "sweep of CIPSERVER, 1.0, 2.0",
    ),
    (("4.1",), ["AT+CIPSERVER=1,8080"], "AT+CIPSERVER?", b'+CIPSERVER:1,8080,"TCP",0,0\r\n' + OK, "4.1"),
    (("1.0", "4.1"), [], "AT+CIPSERVERMAXCONN?", b"+CIPSERVERMAXCONN:5\r\n" + OK, "4.1 server"),
    (("4.1",), ["AT+CIPSERVER=1,8080"], "AT+CIPSERVERMAXCONN=3", ERROR, "4.1 server"),
    (MODERN, [], "AT+CIPSERVERMAXCONN=6", ERROR, "at-dialects 7.9"),
    (FIRMWARE, [], "AT+CIPSTO=10", ERROR, "sweep of CIPSTO: needs a server"),
    (FIRMWARE, [], "AT+CIPSTO?", b"+CIPSTO:0\r\n" + OK, "sweep of CIPSTO"),
    (FIRMWARE, ["AT+CIPSERVER=1"], "AT+CIPSTO=7200", OK, "sweep of CIPSTO"),
    (FIRMWARE, ["AT+CIPSERVER=1"], "AT+CIPSTO=7201", ERROR, "sweep of CIPSTO"),
    (
        FIRMWARE,
        ["AT+CIPSERVER=1", "AT+CIPSTO=10", "AT+CIPSERVER=0"],
        "AT+CIPSTO?",
        b"+CIPSTO:0\r\n" + OK,
        "sweep of CIPSTO: stopping resets it",
    ),
]

ROWS = [pytest.param(p, *row[1:4], id=f"{p} {row[2]} {row[4]}") for row in TABLE for p in row[0]]


@pytest.mark.parametrize(("profile", "before", "line", "answer"), ROWS)
def test_answer(quiet, profile, before, line, answer):
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1", *before)
    assert bench.say(line.encode() + b"\r\n") == answer


@pytest.fixture(params=FIRMWARE)
def serving(request, quiet):
    """A module with a server on 8080."""
    bench = quiet(request.param)
    bench.do("AT+CIPMUX=1", "AT+CIPSERVER=1,8080")
    return bench


def come(bench, peer=quiet_client):
    assert bench.network.connect(8080, peer)
    return bench.passes(0.1)


def test_a_client_sends_and_gets(serving):
    """4.1 server: a client connects, sends 4 bytes."""
    got = []

    async def client(connection):
        connection.send(b"ping")
        got.append(await connection.receive())
        connection.close()

    said = come(serving, client)
    trailer = serving.module.profile.ipd_trailer
    assert said == b"0,CONNECT\r\n\r\n+IPD,0,4:ping" + trailer
    assert serving.say(b"AT+CIPSEND=0,5\r\n") == OK + b"\r\n>"
    assert serving.say(b"pong!") == b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n0,CLOSED\r\n"
    assert got == [b"pong!"]


def test_lowest_free_id_and_status(serving):
    serving.do('AT+CIPSTART=1,"TCP","10.0.2.2",7004')
    assert come(serving) == b"0,CONNECT\r\n"
    assert come(serving) == b"2,CONNECT\r\n"
    serving.do("AT+CIPCLOSE=0")
    assert come(serving) == b"0,CONNECT\r\n"
    assert b",8080,1\r\n" in serving.say(b"AT+CIPSTATUS\r\n")


def test_one_too_many_is_closed_without_a_word(serving):
    """4.1 server: six clients."""
    for number in range(5):
        assert come(serving) == b"%d,CONNECT\r\n" % number
    assert come(serving) == b""
    assert len(serving.network.connections) == 5


def test_fewer_than_five(quiet):
    bench = quiet("2.4")
    bench.do("AT+CIPMUX=1", "AT+CIPSERVERMAXCONN=2", "AT+CIPSERVER=1,8080")
    assert [come(bench) for _ in range(3)] == [b"0,CONNECT\r\n", b"1,CONNECT\r\n", b""]


def test_stopping_leaves_links_open(serving):
    """4.1 server: stop with a client connected."""
    come(serving)
    assert serving.say(b"AT+CIPSERVER=0\r\n") == OK
    assert serving.module.firmware.links.get(0) is not None
    assert not serving.network.connect(8080, quiet_client)


@pytest.mark.parametrize("profile", ["1.0", "2.0", "4.1"])
def test_a_client_keeps_its_address_when_the_server_stops(quiet, profile):
    """Sweep of CIPSERVER, 1.0, server with one client: the last CIPSTATUS names 10.0.2.2. Where 0.0.0.0 was
    read once (real-firmware 9) is in no file.
    """
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1", "AT+CIPSERVER=1,8080")
    come(bench)
    before = bench.say(b"AT+CIPSTATUS\r\n")
    bench.do("AT+CIPSERVER=0", "AT+CIPSERVER=0")
    assert bench.say(b"AT+CIPSTATUS\r\n") == before
    assert b'+CIPSTATUS:0,"TCP","10.0.2.2",' in before


@pytest.mark.parametrize("profile", ["2.2", "4.1"])
def test_stopping_with_1_closes_them(quiet, profile):
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1", "AT+CIPSERVER=1,8080")
    come(bench)
    assert bench.say(b"AT+CIPSERVER=0,1\r\n") == b"0,CLOSED\r\n" + OK


def test_detailed_messages(quiet):
    """4.1 sysmsg."""
    bench = quiet("4.1")
    bench.do("AT+CIPMUX=1", "AT+SYSMSG=2", "AT+CIPSERVER=1,8080")
    assert come(bench) == b'+LINK_CONN:0,0,"TCP",1,"10.0.2.2",50000,8080\r\n'


def test_idle_links_are_closed(serving):
    """4.1 server: idle timeout of 2 s."""
    serving.do("AT+CIPSTO=2")
    assert come(serving) == b"0,CONNECT\r\n"
    assert serving.passes(1.8) == b""
    assert serving.passes(0.3) == b"0,CLOSED\r\n"


@pytest.mark.parametrize(("profile", "kept"), [("2.2", False), ("2.4", True)])
def test_what_counts_as_idle(quiet, profile, kept):
    """At-dialects 7.9: before 2.4 only what is received counts."""
    bench = quiet(profile)
    bench.do("AT+CIPMUX=1", "AT+CIPSERVER=1,8080", "AT+CIPSTO=2")
    come(bench)
    bench.passes(1.5)
    bench.say(b"AT+CIPSEND=0,1\r\n", within=0.05)
    bench.say(b"x", within=0.05)
    assert (b"0,CLOSED" not in bench.passes(1)) is kept


@pytest.mark.parametrize("itself", ["127.0.0.1", "10.0.2.15"])
def test_the_module_is_its_own_client(quiet, itself):
    bench = quiet("2.4")
    bench.do("AT+CIPMUX=1", "AT+CIPSERVER=1,8080")
    said = bench.say(b'AT+CIPSTART=4,"TCP","%b",8080\r\n' % itself.encode())
    assert sorted(said.split()) == [b"0,CONNECT", b"4,CONNECT", b"OK"]
    bench.do("AT+CIPSEND=4,5")
    assert b"\r\n+IPD,0,5:hello\r\n" in bench.say(b"hello")
    assert b"0,CLOSED\r\n" in bench.say(b"AT+CIPCLOSE=4\r\n")


def test_passthrough_of_a_server(quiet):
    """Transcript 10; at-dialects 7.10."""
    bench = quiet("2.4")
    bench.do("AT+CIPMUX=1", "AT+CIPSERVERMAXCONN=1", "AT+CIPSERVER=1,8080", "AT+CIPMODE=1")
    assert come(bench, echo) == b"0,CONNECT\r\n"
    assert bench.say(b"AT+CIPSEND\r\n") == OK + b"\r\n>"
    assert bench.say(b"to and fro", within=1) == b"to and fro"
    bench.network.connections[0].close()
    assert bench.passes(1) == b""
    assert come(bench, echo) == b""
    assert bench.say(b"once more", within=1) == b"once more"
    assert bench.say(b"+++", within=2) == b""
    assert bench.say(b"AT\r\n") == OK


def test_ssl_server(quiet):
    """Only clients that speak TLS come through."""
    bench = quiet("2.4")
    bench.do("AT+CIPMUX=1", 'AT+CIPSERVER=1,8443,"SSL"')
    assert not bench.network.connect(8443, sink)
    assert bench.network.connect(8443, sink, secure=True)
    assert bench.passes(0.1) == b"0,CONNECT\r\n"
