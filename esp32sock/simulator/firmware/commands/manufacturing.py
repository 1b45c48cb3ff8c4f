"""The partition of keys and values that later firmware keeps certificates in: AT+SYSMFG (at-dialects 5;
documents of 4.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.certificate_slots import (
    BINARY,
    STRING,
    entries_of,
    namespaces,
    store_entries,
)
from esp32sock.simulator.firmware.commands.params import encode
from esp32sock.simulator.firmware.commands.partitions import take_data
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import failed, wrong_count

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

NAME_BYTES = 15
"""Of a namespace and of a key (ESP-IDF, NVS)."""

_RANGES = {1: (0, 0xFF), 2: (-0x80, 0x7F), 3: (0, 0xFFFF), 4: (-0x8000, 0x7FFF)} | {
    5: (0, 0xFFFFFFFF),
    6: (-0x80000000, 0x7FFFFFFF),
}
"""u8, i8, u16, i16, u32, i32 (documents of 4.1)."""

LONGEST = {STRING: 4000, BINARY: 0x10000}
"""A string of the NVS has at most 4000 bytes (ESP-IDF); for a binary value chosen by taste."""


@command("SYSMFG", "q")
def list_namespaces(call: Call) -> None:
    for name in namespaces(call.board):
        call.respond(f'+SYSMFG:"{name}"')


@command("SYSMFG", "s")
async def manufacturing(call: Call) -> None:
    """0 erases a key or a namespace, 1 reads, 2 writes. Codes are a guess."""
    operation = call.arguments.integer(0, 2)
    if operation == 1 and not call.arguments.left:
        list_namespaces(call)
        return
    namespace = call.arguments.string(NAME_BYTES)
    if operation == 0:
        _erase(call, namespace)
    elif operation == 1:
        _read(call, namespace)
    else:
        await _write(call, namespace)


def _erase(call: Call, namespace: str) -> None:
    board, arguments = call.board, call.arguments
    entries = entries_of(board, namespace)
    if namespace not in namespaces(board):
        raise failed()
    if arguments.left:
        key = arguments.string(NAME_BYTES)
        arguments.end()
        if key not in entries:
            raise failed()
        del entries[key]
    else:
        entries.clear()
    store_entries(board, namespace, entries)


def _read(call: Call, namespace: str) -> None:
    """All keys of a namespace, or a value, or a part of one."""
    board, arguments = call.board, call.arguments
    entries = entries_of(board, namespace)
    if namespace not in namespaces(board):
        raise failed()
    if not arguments.left:
        for key, (kind, _) in entries.items():
            call.respond(f'+SYSMFG:"{namespace}","{key}",{kind}')
        return
    key = arguments.string(NAME_BYTES)
    if arguments.count not in (3, 5):
        raise wrong_count(5, arguments.count)
    if key not in entries:
        raise failed()
    kind, value = entries[key]
    offset = arguments.integer(0, len(value), default=0)
    part = value[offset:][: arguments.integer(0, len(value), default=len(value))]
    head = f'+SYSMFG:"{namespace}","{key}",{kind},{len(part)},'
    board.write(encode(head) + part + b"\r\n")


async def _write(call: Call, namespace: str) -> None:
    """Numbers at once, strings and binary values behind a prompt; a new namespace comes to be."""
    board, arguments = call.board, call.arguments
    arguments.expect(5, 5)
    key = arguments.string(NAME_BYTES)
    kind = arguments.integer(1, 8)
    if not (namespace and key):
        raise failed()
    if kind in LONGEST:
        value = await take_data(call, arguments.integer(1, LONGEST[kind]))
    else:
        value = str(arguments.integer(*_RANGES[kind])).encode()
    store_entries(board, namespace, {**entries_of(board, namespace), key: (kind, value)})
