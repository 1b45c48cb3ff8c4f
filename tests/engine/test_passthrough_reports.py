"""Lines that the firmware puts between the payload are taken out, however they arrive; only links count."""

from __future__ import annotations

from itertools import pairwise

import pytest

from esp32sock.engine.passthrough_reports import ReportFilter

REPORTS: dict[bytes, bool | None] = {
    b"CONNECT\r\n": True,
    b"CLOSED\r\n": False,
    b'+LINK_CONN:0,0,"TCP",0,"10.0.2.2",7000,59961\r\n': True,
    b'+LINK_CONN:1,0,"TCP",0,"10.0.2.2",7000,59961\r\n': False,
    b"WIFI CONNECTED\r\n": None,
    b"WIFI DISCONNECT\r\n": None,
    b"WIFI GOT IP\r\n": None,
    b"WIFI GOT IPv6 LL\r\n": None,
    b"WIFI GOT IPv6 GL\r\n": None,
    b"+ETH_CONNECTED\r\n": None,
    b"+ETH_DISCONNECTED\r\n": None,
    b'+ETH_GOT_IP:"10.0.2.15"\r\n': None,
    b'+STA_CONNECTED:"a0:b1:c2:d3:e4:f5"\r\n': None,
    b'+STA_DISCONNECTED:"a0:b1:c2:d3:e4:f5"\r\n': None,
    b'+DIST_STA_IP:"a0:b1:c2:d3:e4:f5","192.168.4.2"\r\n': None,
}
PAYLOAD = [
    b"", b"x", b"CLOSED", b"CLOSED\n", b"CONNECTED\r\n", b"WIFI \r\n", b"+IPD,0,5:hello\r\n", b"C", b"+",
    b"\r\n", b"WIFI GOT IP 6\r\n", b"+LINK_CONN:" + b"1" * 200 + b"\r\n", b"closed\r\n",
]  # fmt: skip


def read(pieces: list[bytes]) -> tuple[bytes, list[bool]]:
    """What a reader of all that is settled gets of these pieces, and the changes of the link."""
    reports, received = ReportFilter(), bytearray()
    got, changes = b"", []
    for piece in pieces:
        received += piece
        changes += reports.take_out(received, len(piece))
        settled = reports.settled_bytes(received)
        got += received[:settled]
        del received[:settled]
    return got + received, changes


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("before", [b"", b"[payload]", b"C", b"WIFI ", b"+"])
def test_a_report_is_taken_out_wherever_it_is_cut(report: bytes, before: bytes) -> None:
    change = REPORTS[report]
    expected = (before + b"after", [] if change is None else [change])
    data = before + report + b"after"
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:]]) == expected
    assert read([data[n : n + 1] for n in range(len(data))]) == expected


@pytest.mark.parametrize("payload", PAYLOAD)
def test_payload_that_is_no_report_passes(payload: bytes) -> None:
    for step in (1, 3, 1000):
        edges = [*range(0, len(payload), step), len(payload)]
        assert read([payload[a:b] for a, b in pairwise(edges)]) == (payload, [])


def test_many_in_a_row() -> None:
    data = b"a".join(REPORTS) + b"a"
    assert read([data]) == (b"a" * len(REPORTS), [True, False, True, False])


def test_little_is_held_back() -> None:
    received = bytearray(b"x" * 1_000_000 + b"+LINK_CONN:" + b"1" * 64)
    assert ReportFilter().settled_bytes(received) == 1_000_000
