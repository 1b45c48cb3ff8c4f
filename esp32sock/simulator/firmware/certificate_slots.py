"""Where the flash keeps certificates, and what is in a slot of it.

Up to 2.4 each kind of certificate has a partition of its own with an image as Espressif's tool AtPKI makes
it. All numbers are little-endian: 0xF1F1, how many items (2 bytes), how many bytes follow (4); for each item
its type (1 CA, 2 certificate, 3 key), its number, its length (2 bytes), itself, and 0xFF up to a multiple of
four. Later there is one partition of keys and values, whose image is not simulated: a namespace for each
kind, a key for each slot (at-dialects 5; documents of 2.1 and 4.1).
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, TypeAlias

from esp32sock.simulator.environment.certificates import KINDS, SLOTS

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board

Entries: TypeAlias = "dict[str, tuple[int, bytes]]"
"""Type and value by key."""

STRING, BINARY = 7, 8
"""Types of values (documents of 4.1)."""

_ITEM_TYPES = {"ca": 1, "cert": 2, "key": 3}
_MAGIC = 0xF1F1
_HEAD = struct.Struct("<HHI")
_ITEM = struct.Struct("<BBH")

NAMESPACES = tuple(
    f"{use}_{what}"
    for use in ("server", "client", "mqtt", "https")
    for what in ("ca", "cert", "key")
)  # fmt: skip
"""Observed 4.1."""

KEPT_OVER_RESTORE = ("partition/", "mfg/")
"""How the keys of this in the flash begin. AT+RESTORE leaves it (a guess: it clears the NVS partition)."""


def shipped_slots(board: Board) -> dict[str, bytes]:
    """What a module is handed over with, by slot."""
    slots = {**SLOTS, **dict(board.settings.certificates)}
    return {name: text.encode() for name, text in slots.items() if text}


def slot(board: Board, name: str, number: int) -> str:
    """The PEM text in a certificate slot, empty if it is."""
    if board.profile.certificates_in_nvs:
        _, content = entries_of(board, name).get(f"{name}.{number}", (BINARY, b""))
    else:
        kind = _ITEM_TYPES[name.rpartition("_")[2]]
        content = read_pki_image(read_partition(board, name)).get((kind, number), b"")
    if content and b"-----BEGIN" not in content:  # mbedTLS takes DER too; keys as PKCS #8 only
        label = "PRIVATE KEY" if name.endswith("_key") else "CERTIFICATE"
        text = base64.encodebytes(content).decode()
        return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
    return content.decode("ascii", "ignore")


# A partition for each kind


def pki_image(items: list[tuple[int, int, bytes]]) -> bytes:
    """The image of items: type, number, content."""
    body = b"".join(
        _ITEM.pack(kind, number, len(content)) + content + b"\xff" * (-len(content) % 4)
        for kind, number, content in items
    )
    return _HEAD.pack(_MAGIC, len(items), len(body)) + body


def read_pki_image(image: bytes) -> dict[tuple[int, int], bytes]:
    """The items of an image by type and number; none where it is no image, or as far as it is one."""
    found: dict[tuple[int, int], bytes] = {}
    if len(image) < _HEAD.size:
        return found
    magic, count, length = _HEAD.unpack_from(image)
    if magic != _MAGIC:
        return found
    position, end = _HEAD.size, min(len(image), _HEAD.size + length)
    while len(found) < count and position + _ITEM.size <= end:
        kind, number, size = _ITEM.unpack_from(image, position)
        position += _ITEM.size
        if position + size > end:
            break
        found[kind, number] = image[position : position + size]
        position += size + -size % 4
    return found


def read_partition(board: Board, name: str) -> bytes:
    """What stands in a partition, up to where it is blank."""
    default = b""
    if name in KINDS:
        numbered = sorted(
            (int(slot.rpartition(".")[2]), content)
            for slot, content in shipped_slots(board).items()
            if slot.startswith(f"{name}.")
        )
        kind = _ITEM_TYPES[name.rpartition("_")[2]]
        default = pki_image([(kind, number, content) for number, content in numbered])
    return board.nvs.get(f"partition/{name}", default)


def store_partition(board: Board, name: str, content: bytes) -> None:
    board.nvs.set(f"partition/{name}", content.rstrip(b"\xff"))


# One partition of keys and values


def namespaces(board: Board) -> list[str]:
    """Those of the firmware, and those that have been written."""
    written = (key.removeprefix("mfg/") for key in board.nvs if key.startswith("mfg/"))
    return list(dict.fromkeys((*NAMESPACES, *written)))


def entries_of(board: Board, namespace: str) -> Entries:
    default = tuple(
        (key, BINARY, content)
        for key, content in shipped_slots(board).items()
        if key.startswith(f"{namespace}.")
    )
    stored: tuple[tuple[str, int, bytes], ...] = board.nvs.get(f"mfg/{namespace}", default)
    return {key: (kind, value) for key, kind, value in stored}


def store_entries(board: Board, namespace: str, entries: Entries) -> None:
    board.nvs.set(f"mfg/{namespace}", tuple((key, *entry) for key, entry in entries.items()))
