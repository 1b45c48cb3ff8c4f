"""The user partitions of the flash, raw: AT+SYSFLASH (at-dialects 5; documents of 2.1 and 4.1).

Up to 2.4 each kind of certificate has a partition of its own with an image as Espressif's tool AtPKI makes
it. All numbers are little-endian: 0xF1F1, how many items (2 bytes), how many bytes follow (4); for each item
its type (1 CA, 2 certificate, 3 key), its number, its length (2 bytes), itself, and 0xFF up to a multiple of
four. Later there is one partition of keys and values (manufacturing.py), whose image is not simulated.

It is a flash: writing clears bits, and only erasing a sector sets them again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from esp32sock.simulator.environment.certificates import KINDS, SLOTS
from esp32sock.simulator.firmware.commands.registry import Call, command
from esp32sock.simulator.firmware.commands.results import CommandRefused, failed, wrong_count
from esp32sock.simulator.firmware.commands.sending import prompt
from esp32sock.simulator.firmware.receiver import DataPhase

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.firmware import Firmware

SECTOR_BYTES = 4096

_ITEM_TYPES = {"ca": 1, "cert": 2, "key": 3}
_MAGIC = 0xF1F1
_HEAD = struct.Struct("<HHI")
_ITEM = struct.Struct("<BBH")

MANUFACTURING = "mfg_nvs"

NEW_PARTITIONS = {MANUFACTURING: (1, 2, 0x21000, 0x1C000), "fs_storage": (1, 255, 0x70000, 0x90000)}
"""Type, subtype, address and size; observed 4.1."""

OLD_PARTITIONS = {
    "ble_data": (64, 1, 0x21000, 0x3000),
    **{kind: (64, n, 0x20000 + n * 0x2000, 0x2000) for n, kind in enumerate(KINDS, 2)},
    "factory_param": (64, 8, 0x30000, 0x1000),
}
"""The same; observed 1.0, 2.0."""

USER_PARTITIONS = ("partition/", "mfg/")
"""How their keys in the flash begin. AT+RESTORE leaves them (a guess: it clears the NVS partition)."""


def partitions(firmware: Firmware) -> dict[str, tuple[int, int, int, int]]:
    return NEW_PARTITIONS if firmware.profile.certificates_in_nvs else OLD_PARTITIONS


def shipped_slots(firmware: Firmware) -> dict[str, bytes]:
    """What a module is handed over with, by slot."""
    slots = {**SLOTS, **dict(firmware.settings.certificates)}
    return {name: text.encode() for name, text in slots.items() if text}


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


def read_partition(firmware: Firmware, name: str) -> bytes:
    """What stands in a partition, up to where it is blank."""
    default = b""
    if name in KINDS:
        numbered = sorted(
            (int(slot.rpartition(".")[2]), content)
            for slot, content in shipped_slots(firmware).items()
            if slot.startswith(f"{name}.")
        )
        kind = _ITEM_TYPES[name.rpartition("_")[2]]
        default = pki_image([(kind, number, content) for number, content in numbered])
    return firmware.nvs.get(f"partition/{name}", default)


def old_slot(firmware: Firmware, name: str, number: int) -> bytes:
    """What stands in a slot of a firmware that has a partition for each kind."""
    kind = _ITEM_TYPES[name.rpartition("_")[2]]
    return read_pki_image(read_partition(firmware, name)).get((kind, number), b"")


def _write(firmware: Firmware, name: str, offset: int, data: bytes) -> None:
    size = partitions(firmware)[name][3]
    content = bytearray(read_partition(firmware, name).ljust(size, b"\xff"))
    for position, byte in enumerate(data, offset):
        content[position] &= byte
    firmware.nvs.set(f"partition/{name}", bytes(content).rstrip(b"\xff"))


def _erase(firmware: Firmware, name: str, offset: int, length: int) -> None:
    size = partitions(firmware)[name][3]
    content = bytearray(read_partition(firmware, name).ljust(size, b"\xff"))
    content[offset : offset + length] = b"\xff" * length
    firmware.nvs.set(f"partition/{name}", bytes(content).rstrip(b"\xff"))


async def take_data(call: Call, length: int) -> bytes:
    """Prompt for exactly so many bytes. That a lone `+++` ends it, with ERROR, is a guess."""
    receiver = call.firmware.receiver
    phase = DataPhase(receiver, length)
    receiver.divert(phase)
    prompt(call)
    pieces = await phase.collect()
    if pieces is None:
        raise CommandRefused
    return b"".join(pieces)


@command("SYSFLASH", "q")
def list_partitions(call: Call) -> None:
    for name, (kind, subtype, address, size) in partitions(call.firmware).items():
        call.say(f'+SYSFLASH:"{name}",{kind},{subtype},0x{address:x},0x{size:x}')


@command("SYSFLASH", "s")
async def partition_access(call: Call) -> None:
    """0 erases sectors or all of it, 1 writes behind a prompt, 2 reads (documents of 2.1).

    Codes are a guess. The image of keys and values can only be erased, and only as a whole.
    """
    arguments, firmware = call.arguments, call.firmware
    if arguments.count not in (2, 4):
        raise wrong_count(4, arguments.count)
    operation = arguments.integer(0, 2)
    name = arguments.string(16)
    found = partitions(firmware).get(name)
    if found is None or (operation and arguments.count == 2):
        raise failed()
    size = found[3]
    offset = arguments.integer(0, size - 1, default=0)
    length = arguments.integer(1, size, default=size)
    if offset + length > size or (operation == 0 and (offset % SECTOR_BYTES or length % SECTOR_BYTES)):
        raise failed()
    if name == MANUFACTURING:
        if operation or length != size:
            raise failed()
        erase_all_keys(firmware)
    elif operation == 0:
        _erase(firmware, name, offset, length)
    elif operation == 1:
        _write(firmware, name, offset, await take_data(call, length))
    else:
        data = read_partition(firmware, name).ljust(size, b"\xff")[offset : offset + length]
        firmware.write(b"+SYSFLASH:%d,%b" % (length, data))


def erase_all_keys(firmware: Firmware) -> None:
    for namespace in namespaces(firmware):
        firmware.nvs.set(f"mfg/{namespace}", ())


MANUFACTURING_NAMESPACES = tuple(
    f"{use}_{what}"
    for use in ("server", "client", "mqtt", "https")
    for what in ("ca", "cert", "key")
)  # fmt: skip
"""Observed 4.1."""


def namespaces(firmware: Firmware) -> list[str]:
    """Those of the firmware, and what somebody has written."""
    written = (key.removeprefix("mfg/") for key in firmware.nvs if key.startswith("mfg/"))
    return list(dict.fromkeys((*MANUFACTURING_NAMESPACES, *written)))
