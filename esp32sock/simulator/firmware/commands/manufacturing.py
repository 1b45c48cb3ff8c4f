"""The partition of keys and values that later firmware keeps certificates in: AT+SYSMFG (at-dialects 5;
documents of 4.1), and where a slot is looked up.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeAlias

from esp32sock.simulator.firmware.commands.params import encode
from esp32sock.simulator.firmware.commands.partitions import namespaces, old_slot, shipped_slots, take_data
from esp32sock.simulator.firmware.commands.registry import Call, command
from esp32sock.simulator.firmware.commands.results import failed, wrong_count

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.firmware import Firmware

Entries: TypeAlias = "dict[str, tuple[int, bytes]]"
"""Type and value by key."""

NAME_BYTES = 15
"""Of a namespace and of a key (ESP-IDF, NVS)."""

STRING, BINARY = 7, 8

_RANGES = {1: (0, 0xFF), 2: (-0x80, 0x7F), 3: (0, 0xFFFF), 4: (-0x8000, 0x7FFF)} | {
    5: (0, 0xFFFFFFFF),
    6: (-0x80000000, 0x7FFFFFFF),
}
"""u8, i8, u16, i16, u32, i32 (documents of 4.1)."""

LONGEST = {STRING: 4000, BINARY: 0x10000}
"""A string of the NVS has at most 4000 bytes (ESP-IDF); for a binary value chosen by taste."""


def slot(firmware: Firmware, name: str, number: int) -> str:
    """The PEM text in a certificate slot, empty if it is."""
    if firmware.profile.certificates_in_nvs:
        _, content = _entries(firmware, name).get(f"{name}.{number}", (BINARY, b""))
    else:
        content = old_slot(firmware, name, number)
    if content and b"-----BEGIN" not in content:  # mbedTLS takes DER too; keys as PKCS #8 only
        label = "PRIVATE KEY" if name.endswith("_key") else "CERTIFICATE"
        text = base64.encodebytes(content).decode()
        return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
    return content.decode("ascii", "ignore")


def _entries(firmware: Firmware, namespace: str) -> Entries:
    default = tuple(
        (key, BINARY, content)
        for key, content in shipped_slots(firmware).items()
        if key.startswith(f"{namespace}.")
    )
    stored: tuple[tuple[str, int, bytes], ...] = firmware.nvs.get(f"mfg/{namespace}", default)
    return {key: (kind, value) for key, kind, value in stored}


def _keep(firmware: Firmware, namespace: str, entries: Entries) -> None:
    firmware.nvs.set(f"mfg/{namespace}", tuple((key, *entry) for key, entry in entries.items()))


@command("SYSMFG", "q")
def list_namespaces(call: Call) -> None:
    for name in namespaces(call.firmware):
        call.say(f'+SYSMFG:"{name}"')


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
    firmware, arguments = call.firmware, call.arguments
    entries = _entries(firmware, namespace)
    if namespace not in namespaces(firmware):
        raise failed()
    if arguments.left:
        key = arguments.string(NAME_BYTES)
        arguments.end()
        if key not in entries:
            raise failed()
        del entries[key]
    else:
        entries.clear()
    _keep(firmware, namespace, entries)


def _read(call: Call, namespace: str) -> None:
    """All keys of a namespace, or a value, or a part of one."""
    firmware, arguments = call.firmware, call.arguments
    entries = _entries(firmware, namespace)
    if namespace not in namespaces(firmware):
        raise failed()
    if not arguments.left:
        for key, (kind, _) in entries.items():
            call.say(f'+SYSMFG:"{namespace}","{key}",{kind}')
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
    firmware.write(encode(head) + part + b"\r\n")


async def _write(call: Call, namespace: str) -> None:
    """Numbers at once, strings and binary values behind a prompt; a new namespace comes to be."""
    firmware, arguments = call.firmware, call.arguments
    arguments.expect(5, 5)
    key = arguments.string(NAME_BYTES)
    kind = arguments.integer(1, 8)
    if not (namespace and key):
        raise failed()
    if kind in LONGEST:
        value = await take_data(call, arguments.integer(1, LONGEST[kind]))
    else:
        value = str(arguments.integer(*_RANGES[kind])).encode()
    _keep(firmware, namespace, {**_entries(firmware, namespace), key: (kind, value)})
