"""What is written for one CIPSEND: never too much, never ending in `+++`, never a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esp32sock.at.framing import CIPSEND_MAX, CIPSEND_MAX_V1, MAX_DATAGRAM_BYTES
from esp32sock.errors import LocalProtocolError

if TYPE_CHECKING:
    from types import ModuleType


def sent(framing: ModuleType, data: bytes, limit: int) -> list[bytes]:
    """The payloads that a stream goes out in."""
    view, payloads = memoryview(data), []
    while view:
        chunk = framing.stream_chunk(0, view, limit)
        assert chunk.header == b"AT+CIPSEND=0,%d\r\n" % len(chunk.payload)
        payloads.append(bytes(chunk.payload))
        view = view[len(chunk.payload) :]
    return payloads


@pytest.mark.parametrize(
    ("link_id", "header"),
    [(0, b"AT+CIPSEND=0,5\r\n"), (4, b"AT+CIPSEND=4,5\r\n"), (None, b"AT+CIPSEND=5\r\n")],
)
def test_header(framing: ModuleType, link_id: int | None, header: bytes) -> None:
    assert framing.stream_chunk(link_id, memoryview(b"hello"), 2048).header == header
    assert framing.datagram_chunk(link_id, memoryview(b"hello"), None).header == header


def test_limits_are_those_of_the_firmware() -> None:
    assert (CIPSEND_MAX_V1, CIPSEND_MAX, MAX_DATAGRAM_BYTES) == (2048, 8192, 1460)


def test_the_payload_is_a_view(framing: ModuleType) -> None:
    data = bytearray(b"hello world")
    stream = framing.stream_chunk(0, memoryview(data), 5)
    datagram = framing.datagram_chunk(0, memoryview(data), None)
    data[:5] = b"HELLO"
    assert bytes(stream.payload) == b"HELLO"
    assert bytes(datagram.payload) == b"HELLO world"


@pytest.mark.parametrize(
    ("data", "limit", "payloads"),
    [
        (b"a", 1, [b"a"]),
        (b"abcde", 2, [b"ab", b"cd", b"e"]),
        (b"+", 9, [b"+"]),
        (b"++", 9, [b"++"]),
        (b"+++", 9, [b"+", b"++"]),
        (b"++++", 9, [b"++", b"++"]),
        (b"+++++", 9, [b"+", b"++", b"++"]),
        (b"+++", 1, [b"+", b"+", b"+"]),
        (b"+++", 2, [b"++", b"+"]),
        (b"abc+++", 9, [b"abc+", b"++"]),
        (b"abc+++", 5, [b"abc++", b"+"]),
        (b"abc+++def", 6, [b"abc+", b"++def"]),
        (b"abc+++def", 9, [b"abc+++def"]),
        (b"+++abc", 9, [b"+++abc"]),
    ],
)
def test_stream(framing: ModuleType, data: bytes, limit: int, payloads: list[bytes]) -> None:
    assert sent(framing, data, limit) == payloads


@given(data=st.text("+a", min_size=1).map(str.encode), limit=st.integers(1, 12))
def test_no_chunk_ends_in_the_escape(framing: ModuleType, data: bytes, limit: int) -> None:
    payloads = sent(framing, data, limit)
    assert b"".join(payloads) == data
    for payload in payloads:
        assert 1 <= len(payload) <= limit
        assert not payload.endswith(b"+++")


def test_a_megabyte_of_pluses_is_no_trouble(framing: ModuleType) -> None:
    view = memoryview(b"+" * 1_000_000)
    assert len(framing.stream_chunk(0, view, 1_000_000).payload) == 2
    assert len(framing.stream_chunk(0, view, 999_999).payload) == 1


@pytest.mark.parametrize(("data", "limit"), [(b"", 10), (b"abc", 0), (b"abc", -1)])
def test_an_empty_chunk_is_refused(framing: ModuleType, data: bytes, limit: int) -> None:
    with pytest.raises(LocalProtocolError, match="cannot send nothing"):
        framing.stream_chunk(0, memoryview(data), limit)


@pytest.mark.parametrize(
    ("peer", "tail"),
    [
        (None, b""),
        (("10.0.2.2", 7000), b',"10.0.2.2",7000'),
        (("fe80::1", 1), b',"fe80::1",1'),
        (("host-1.example", 65535), b',"host-1.example",65535'),
    ],
)
def test_datagram(framing: ModuleType, peer: Any, tail: bytes) -> None:
    chunk = framing.datagram_chunk(4, memoryview(b"hello"), peer)
    assert chunk.header == b"AT+CIPSEND=4,5" + tail + b"\r\n"
    assert bytes(chunk.payload) == b"hello"


@pytest.mark.parametrize("host", ["", 'a"b', "a,b", "a\\b", "a\r\nAT+RST", "a b", "é.example", "x" * 65])
def test_no_host_can_be_more_than_a_host(framing: ModuleType, host: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        framing.datagram_chunk(4, memoryview(b"hello"), (host, 80))
    assert str(caught.value) == f"cannot send a datagram to {(host, 80)!r}"


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_no_port_can_be_more_than_a_port(framing: ModuleType, port: int) -> None:
    with pytest.raises(LocalProtocolError, match="cannot send a datagram to"):
        framing.datagram_chunk(4, memoryview(b"hello"), ("10.0.2.2", port))


def test_a_datagram_goes_whole_or_not_at_all(framing: ModuleType) -> None:
    largest = memoryview(bytes(MAX_DATAGRAM_BYTES + 1))
    assert len(framing.datagram_chunk(0, largest[1:], None).payload) == 1460
    with pytest.raises(LocalProtocolError, match="a datagram of 1461 bytes is over the limit of 1460"):
        framing.datagram_chunk(0, largest, None)
    with pytest.raises(LocalProtocolError, match="a datagram of 3 bytes is over the limit of 2"):
        framing.datagram_chunk(0, memoryview(b"abc"), None, 2)
    with pytest.raises(LocalProtocolError, match="cannot send an empty datagram"):
        framing.datagram_chunk(0, memoryview(b""), None)


@pytest.mark.parametrize("link_id", [-1, 5])
def test_link_ids_are_checked(framing: ModuleType, link_id: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"link id {link_id} is not one of 0 to 4"):
        framing.stream_chunk(link_id, memoryview(b"abc"), 10)
    with pytest.raises(LocalProtocolError, match=f"link id {link_id} is not one of 0 to 4"):
        framing.datagram_chunk(link_id, memoryview(b"abc"), None)


def test_chunks_have_value_and_stay_as_they_are(framing: ModuleType) -> None:
    chunk = framing.Chunk(b"AT+CIPSEND=3\r\n", memoryview(b"abc"))
    assert chunk == framing.stream_chunk(None, memoryview(b"abc"), 10)
    assert hash(chunk) == hash(framing.stream_chunk(None, memoryview(b"abc"), 10))
    assert chunk != framing.stream_chunk(None, memoryview(b"abd"), 10)
    assert chunk != (chunk.header, chunk.payload)
    assert repr(chunk).startswith("Chunk(header=b'AT+CIPSEND=3\\r\\n', payload=<memory at ")
    with pytest.raises(AttributeError):
        chunk.header = b""
