"""The user partitions of the flash, raw: AT+SYSFLASH (at-dialects 5; documents of 2.1 and 4.1).

It is a flash: writing clears bits, and only erasing a sector sets them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.environment.certificates import KINDS
from esp32sock.simulator.firmware.certificate_slots import (
    namespaces,
    read_partition,
    store_entries,
    store_partition,
)
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.commands.sending import prompt
from esp32sock.simulator.firmware.data_phase import DataPhase
from esp32sock.simulator.firmware.results import CommandRefused, failed, wrong_count

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.commands.call import Call

SECTOR_BYTES = 4096

MANUFACTURING = "mfg_nvs"

NEW_PARTITIONS = {MANUFACTURING: (1, 2, 0x21000, 0x1C000), "fs_storage": (1, 255, 0x70000, 0x90000)}
"""Type, subtype, address and size; observed 4.1."""

OLD_PARTITIONS = {
    "ble_data": (64, 1, 0x21000, 0x3000),
    **{kind: (64, n, 0x20000 + n * 0x2000, 0x2000) for n, kind in enumerate(KINDS, 2)},
    "factory_param": (64, 8, 0x30000, 0x1000),
}
"""The same; observed 1.0, 2.0."""


def partitions(board: Board) -> dict[str, tuple[int, int, int, int]]:
    return NEW_PARTITIONS if board.profile.certificates_in_nvs else OLD_PARTITIONS


def _write(board: Board, name: str, offset: int, data: bytes) -> None:
    size = partitions(board)[name][3]
    content = bytearray(read_partition(board, name).ljust(size, b"\xff"))
    for position, byte in enumerate(data, offset):
        content[position] &= byte
    store_partition(board, name, bytes(content))


def _erase(board: Board, name: str, offset: int, length: int) -> None:
    size = partitions(board)[name][3]
    content = bytearray(read_partition(board, name).ljust(size, b"\xff"))
    content[offset : offset + length] = b"\xff" * length
    store_partition(board, name, bytes(content))


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
    for name, (kind, subtype, address, size) in partitions(call.board).items():
        call.respond(f'+SYSFLASH:"{name}",{kind},{subtype},0x{address:x},0x{size:x}')


@command("SYSFLASH", "s")
async def partition_access(call: Call) -> None:
    """0 erases sectors or all of it, 1 writes behind a prompt, 2 reads (documents of 2.1).

    Codes are a guess. The image of keys and values can only be erased, and only as a whole.
    """
    arguments, board = call.arguments, call.board
    if arguments.count not in (2, 4):
        raise wrong_count(4, arguments.count)
    operation = arguments.integer(0, 2)
    name = arguments.string(16)
    found = partitions(board).get(name)
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
        for namespace in namespaces(board):
            store_entries(board, namespace, {})
    elif operation == 0:
        _erase(board, name, offset, length)
    elif operation == 1:
        _write(board, name, offset, await take_data(call, length))
    else:
        data = read_partition(board, name).ljust(size, b"\xff")[offset : offset + length]
        board.write(b"+SYSFLASH:%d,%b" % (length, data))
