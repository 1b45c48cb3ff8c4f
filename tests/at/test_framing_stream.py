"""2.9 MB as Espressif's 2.0.0.0 sent them, five links busy and payloads full of look-alikes, in any cutting.

`stream-2.0.json` has the length and SHA-256 of what the peers had sent on each connection (real-firmware).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

DATA = Path(__file__).parents[1] / "data"
OPENED_OR_CLOSED = re.compile(rb"([0-4]),(CONNECT|CLOSED)")
CUTTINGS = 1000
BATCH = 50


@dataclass
class Heard:
    """The texts in order, and what each connection of each link received."""

    texts: list[bytes] = field(default_factory=list)
    connections: list[list[bytes | list[bytes]]] = field(default_factory=lambda: [[] for _ in range(5)])
    blocks: int = 0
    stray: int = 0


@pytest.fixture(scope="module")
def stream() -> bytes:
    return (DATA / "stream-2.0.bin").read_bytes()


@pytest.fixture(scope="module")
def said() -> Any:
    return json.loads((DATA / "stream-2.0.json").read_text("utf-8"))


def listen(framing: ModuleType, pieces: Iterable[bytes], udp_links: set[int]) -> Heard:
    """Plays the host: a link has an owner from its CONNECT to its CLOSED, and a prompt is always welcome."""
    demux = framing.Demux(max_link_bytes=4 << 20)
    receive_data, next_frame, need_data = demux.receive_data, demux.next_frame, framing.NEED_DATA
    heard = Heard()

    def take(link_id: int) -> None:
        if link_id in udp_links:
            datagrams = iter(partial(demux.take_datagram, link_id), None)
            heard.connections[link_id].append([payload for _, _, payload in datagrams])
        else:
            heard.connections[link_id].append(demux.take(link_id))

    owned: set[int] = set()
    demux.expect_prompt()
    for piece in pieces:
        receive_data(piece)
        while (frame := next_frame()) is not need_data:
            if frame is framing.PROMPT:
                demux.expect_prompt()
                continue
            heard.texts.append(frame.text)
            if match := OPENED_OR_CLOSED.fullmatch(frame.text):
                link_id = int(match[1])
                if match[2] == b"CLOSED":
                    owned.remove(link_id)
                    take(link_id)
                    demux.set_sink(link_id, framing.DISCARD)
                else:
                    owned.add(link_id)
                    demux.set_sink(link_id, framing.DATAGRAM if link_id in udp_links else framing.STREAM)
    for link_id in owned:
        take(link_id)
    assert (demux.pending_text(), demux.missing_bytes, demux.overflowed) == (b"", 0, 0)
    heard.blocks = sum(demux.blocks(link_id) for link_id in range(5))
    heard.stray = demux.stray_bytes + sum(demux.discarded_bytes(link_id) for link_id in range(5))
    return heard


@pytest.fixture(scope="module")
def udp_links(said: Any) -> set[int]:
    return {link["link"] for link in said["links"] if link["type"] == "UDP"}


@pytest.fixture(scope="module")
def heard_whole(framing: ModuleType, stream: bytes, udp_links: set[int]) -> Heard:
    return listen(framing, [stream], udp_links)


def test_the_capture_is_the_one_described(stream: bytes, said: Any) -> None:
    assert len(stream) == said["stream"]["bytes"]
    assert hashlib.sha256(stream).hexdigest() == said["stream"]["sha256"]


def test_every_connection_got_what_its_peer_sent(heard_whole: Heard, said: Any) -> None:
    assert len(said["links"]) == 5
    for link in said["links"]:
        connections = heard_whole.connections[link["link"]]
        assert len(connections) == len(link["connections"])
        for received, expected in zip(connections, link["connections"], strict=True):
            if isinstance(received, list):
                assert [len(datagram) for datagram in received] == expected["datagram_lengths"]
                received = b"".join(received)
            assert len(received) == expected["delivered"]
            assert hashlib.sha256(received).hexdigest() == expected["sha256_delivered"]


def test_every_line_and_block_was_seen(heard_whole: Heard, said: Any) -> None:
    lines = {text.encode(): count for text, count in said["text_lines"].items() if text != ">"}
    assert Counter(heard_whole.texts) == lines
    assert (heard_whole.blocks, heard_whole.stray) == (len(said["ipd_blocks"]), 0)


def test_byte_by_byte(framing: ModuleType, stream: bytes, udp_links: set[int], heard_whole: Heard) -> None:
    pieces = (stream[n : n + 1] for n in range(len(stream)))
    assert listen(framing, pieces, udp_links) == heard_whole


@pytest.mark.parametrize("batch", range(CUTTINGS // BATCH))
def test_in_random_pieces(
    framing: ModuleType, stream: bytes, udp_links: set[int], heard_whole: Heard, batch: int
) -> None:
    rng = random.Random(batch)
    for _ in range(BATCH):
        assert listen(framing, cut(rng, stream), udp_links) == heard_whole


def cut(rng: random.Random, stream: bytes) -> Iterator[bytes]:
    """Pieces of one mean size for the cutting, now and then a very small one."""
    largest = rng.choice((1_000, 8_000, 8_000, 30_000, 30_000, 30_000, 200_000))
    start = 0
    while start < len(stream):
        stop = start + (rng.randint(1, 20) if rng.random() < 0.1 else rng.randint(1, largest))
        yield stream[start:stop]
        start = stop
