"""Comparing the sections in which data flows both ways while commands run.

A block of received data may fall between any two texts and be cut elsewhere. So the payload is compared a
link at a time, over the whole section, and the texts between the blocks in order: an exchange is equal if all
its texts stand, in order, in what the simulated module printed in that section, and the payload of the links
it mentions is equal.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import groupby
from typing import TYPE_CHECKING

from .normalise import normalise

if TYPE_CHECKING:
    from .replaying import Exchange, Replay

_HEADER = re.compile(rb'\r\n\+IPD,(?:(\d),)?(\d+)(?:,"?[\d.]+"?,\d+)?:')


def separate(printed: bytes, trailer: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The text without the blocks, and the payload by link; a block cut at the end keeps what there is."""
    text = []
    payload: dict[bytes, bytes] = {}
    position = 0
    while match := _HEADER.search(printed, position):
        text.append(printed[position : match.start()])
        end = match.end() + int(match[2])
        link = match[1] or b""
        payload[link] = payload.get(link, b"") + printed[match.end() : end]
        position = end + (len(trailer) if printed[end : end + len(trailer)] == trailer else 0)
    text.append(printed[position:])
    return b"".join(text), payload


def _tokens(text: bytes) -> list[bytes]:
    """Echoes, lines and prompts; line ends do not count, as an echo has none of its own."""
    return [token for token in re.split(rb"[\r\n]+|(?=>)", normalise(text)) if token]


def compare_duplex(replay: Replay) -> None:
    trailer = b"" if replay.capture.firmware == "v201712" else b"\r\n"
    for _, group in groupby(replay.exchanges, key=lambda exchange: exchange.module):
        _compare_run(list(group), trailer)


def _compare_run(run: list[Exchange], trailer: bytes) -> None:
    """The exchanges of one module. At the very end the recording may stop in the middle of data."""
    _, recorded_payload = separate(b"".join(each.recorded for each in run), trailer)
    simulated_text, simulated_payload = separate(b"".join(each.simulated for each in run), trailer)
    payload_equal = recorded_payload.keys() == simulated_payload.keys() and all(
        simulated_payload[link].startswith(data) for link, data in recorded_payload.items()
    )
    recorded_text, owners_of = _texts(run, trailer)
    wanted = _tokens(recorded_text)
    owners = _owners(wanted, owners_of)
    matched = [False] * len(wanted)
    found = _tokens(simulated_text)
    for block in SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            matched[block.a + offset] = True
    missing = {owner for owner, ok in zip(owners, matched, strict=True) if not ok}
    for index, exchange in enumerate(run):
        has_payload = b"+IPD," in exchange.recorded
        if not exchange.equal:
            exchange.equal = index not in missing and (payload_equal or not has_payload)


def _texts(run: list[Exchange], trailer: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """The recorded text of a run without its blocks, and where the text of each exchange ends in it.

    A block may begin in one exchange and end in the next, so the exchanges are marked before cutting.
    """
    recorded = b"".join(each.recorded for each in run)
    text, _ = separate(recorded, trailer)
    ends = []
    sofar = b""
    for index, each in enumerate(run):
        sofar += each.recorded
        part, _ = separate(sofar, trailer)
        ends.append((index, len(_tokens(part))))
    return text, ends


def _owners(wanted: list[bytes], ends: list[tuple[int, int]]) -> list[int]:
    """The exchange that each token belongs to."""
    owners: list[int] = []
    for index, end in ends:
        owners += [index] * (min(end, len(wanted)) - len(owners))
    owners += [ends[-1][0]] * (len(wanted) - len(owners))
    return owners
