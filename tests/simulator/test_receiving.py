"""+IPD in active receive: headers, pieces, window, order (V1.0 5.2.17, at-dialects 7.6, real-firmware)."""

import re

import pytest

from esp32sock.simulator.network.memory import MemoryNetwork

SEND_5000 = 'AT+CIPSTART="TCP","10.0.2.2",7002'
HEADER = re.compile(rb"\r\n\+IPD,(?:(\d),)?(\d+)[^:]*:")


def pieces(stream, trailer=b"\r\n"):
    """(link id or None, payload) of every +IPD, and the text between them."""
    found, text, position = [], b"", 0
    while (match := HEADER.search(stream, position)) is not None:
        text += stream[position : match.start()]
        end = match.end() + int(match[2])
        found.append((None if match[1] is None else int(match[1]), stream[match.end() : end]))
        assert stream[end : end + len(trailer)] == trailer
        position = end + len(trailer)
    return found, text + stream[position:]


@pytest.mark.parametrize(
    ("profile", "mux", "dinfo", "header"),
    [
        ("doc-v1", 0, 0, b"\r\n+IPD,7:"),
        ("doc-v1", 1, 0, b"\r\n+IPD,3,7:"),
        ("doc-v1", 0, 1, b"\r\n+IPD,7,10.0.2.2,7001:"),
        ("doc-v1", 1, 1, b"\r\n+IPD,3,7,10.0.2.2,7001:"),
        ("2.0", 0, 0, b"\r\n+IPD,7:"),
        ("2.0", 1, 0, b"\r\n+IPD,3,7:"),
        ("2.0", 0, 1, b'\r\n+IPD,7,"10.0.2.2",7001:'),
        ("2.0", 1, 1, b'\r\n+IPD,3,7,"10.0.2.2",7001:'),
        ("2.4", 1, 1, b'\r\n+IPD,3,7,"10.0.2.2",7001:'),
    ],
)
def test_header(quiet, profile, mux, dinfo, header):
    """V1.0 5.2.17; at-dialects 7.6; v2.0-tcp-single and v4.2dev-mux."""
    bench = quiet(profile)
    bench.do(f"AT+CIPMUX={mux}", f"AT+CIPDINFO={dinfo}")
    answer = bench.say(b'AT+CIPSTART=%b"TCP","10.0.2.2",7001\r\n' % (b"3," if mux else b""))
    trailer = b"" if profile == "doc-v1" else b"\r\n"
    assert answer.endswith(b"\r\nOK\r\n" + header + b"HELLO\r\n" + trailer)


def test_first_read_is_one_segment_and_closed_comes_last(quiet):
    """Walk 2012, 2.0: the server sends 5000 bytes and closes."""
    bench = quiet("2.0")
    found, text = pieces(bench.say(SEND_5000.encode() + b"\r\n"))
    assert [len(data) for _, data in found] == [1440, 2920, 640]
    assert text == b"CONNECT\r\n\r\nOK\r\nCLOSED\r\n"
    assert bench.module.journal.links[0].bytes_received == 5000


def test_payload_runs_into_closed_in_the_document(quiet):
    """Nothing stands behind the payload: `+IPD,5:LATERCLOSED` (seen on 1.0)."""
    bench = quiet("doc-v1")
    assert bench.say(SEND_5000.encode() + b"\r\n").endswith(b"CLOSED\r\n")
    found, text = pieces(bench.say(SEND_5000.encode() + b"\r\n"), trailer=b"")
    assert sum(len(data) for _, data in found) == 5000
    assert text == b"\r\nOK\r\nCLOSED\r\n"


def test_links_take_turns(quiet):
    network = MemoryNetwork()
    for port in (1, 2):

        async def pour(connection, byte=b"%d" % port):
            await connection.sleep(200 - network.kernel.now)
            connection.send(byte * 20000)

        network.listen("10.0.2.2", port, pour)
    bench = quiet("2.4", network=network, paced=True, baud=921600)
    bench.do("AT+CIPMUX=1", "ATE0")
    for port in (1, 2):
        bench.say(b'AT+CIPSTART=%d,"TCP","10.0.2.2",%d\r\n' % (port, port), within=0.2)
    found, _ = pieces(bench.passes(200))
    order = [link_id for link_id, _ in found]
    assert all(order[:10].count(link_id) >= 4 for link_id in (1, 2))
    for link_id in (1, 2):
        assert b"".join(data for owner, data in found if owner == link_id) == b"%d" % link_id * 20000


def test_window_bounds_what_is_under_way(quiet):
    """A slow line fills transmit ring and window, and then the peer waits."""
    network = MemoryNetwork()

    async def pour(connection):
        connection.send(b"x" * 100_000)

    network.listen("10.0.2.2", 1, pour)
    bench = quiet("2.4", network=network, paced=True, baud=115200)
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n', within=0.5)
    link = bench.module.firmware.links.get(0)
    assert link.received_bytes <= 5760
    assert bench.module.uart.queued_bytes <= 8192 + 2920 + 20
    waiting = sum(map(len, network.connections[0]._outbox))
    assert waiting > 100_000 - 5760 - 8192 - 3000 - 0.6 * 11520
    found, _ = pieces(bench.passes(20))
    assert sum(len(data) for _, data in found) > 80_000


def test_journal_counts_payload_only(quiet):
    bench = quiet("2.4")
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=5")
    bench.say(b"hello")
    bench.do("AT+CIPCLOSE")
    (record,) = bench.module.journal.links
    assert (record.kind, record.address, record.port) == ("TCP", "10.0.2.2", 7000)
    assert (record.bytes_sent, record.bytes_received) == (5, 5)
    assert record.closed_at_s is not None
