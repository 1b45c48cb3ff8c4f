"""Comparing the sections in which data flows both ways while commands run.

A block of received data may fall between any two texts and be cut elsewhere. So the payload is compared a
link at a time, over the whole section, and the texts between the blocks in order: an exchange is equal if all
its texts stand, in order, in what the simulated module printed in that section, if the simulated module
printed no other text in it, and if the payload of the links that it mentions is equal.
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
    _, simulated_payload = separate(b"".join(each.simulated for each in run), trailer)
    payload_equal = recorded_payload.keys() == simulated_payload.keys() and all(
        simulated_payload[link].startswith(data) for link, data in recorded_payload.items()
    )
    missing, extra = _unmatched(
        _tokens_by_exchange([each.recorded for each in run], trailer),
        _tokens_by_exchange([each.simulated for each in run], trailer),
    )
    for index, exchange in enumerate(run):
        has_payload = b"+IPD," in exchange.recorded
        if not exchange.equal:
            exchange.equal = index not in missing | extra and (payload_equal or not has_payload)


def _unmatched(
    recorded: list[tuple[int, bytes]], simulated: list[tuple[int, bytes]]
) -> tuple[set[int], set[int]]:
    """The exchanges with a recorded token that is not simulated, and those with one that is not recorded."""
    matcher = SequenceMatcher(
        None, [token for _, token in recorded], [t for _, t in simulated], autojunk=False
    )
    missing: set[int] = set()
    extra: set[int] = set()
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind != "equal":
            missing.update(index for index, _ in recorded[start:end])
            extra.update(index for index, _ in simulated[other_start:other_end])
    return missing, extra


def _tokens_by_exchange(printed: list[bytes], trailer: bytes) -> list[tuple[int, bytes]]:
    """The tokens of the text without its blocks, each with the number of the exchange in which it ends.

    A block may begin in one exchange and end in the next, so what was printed is put together before cutting.
    """
    text, _ = separate(b"".join(printed), trailer)
    tokens = _tokens(text)
    owners: list[int] = []
    sofar = b""
    for index, each in enumerate(printed):
        sofar += each
        part, _ = separate(sofar, trailer)
        owners += [index] * (min(len(_tokens(part)), len(tokens)) - len(owners))
    owners += [len(printed) - 1] * (len(tokens) - len(owners))
    return list(zip(owners, tokens, strict=True))
