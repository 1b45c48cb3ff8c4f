"""Chapter 5 of the 2017 document: payload from the host to a link (V1.0 5.2.4, at-dialects 7.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .links import LINK_COUNT
from .receiver import DataPhase
from .registry import Call, command
from .results import Result, failed, out_of_range

if TYPE_CHECKING:
    from .links import Link


@command("CIPSEND", "t")
def send_test(call: Call) -> None:
    """A plain OK (sweep of CIPSEND, 2.0)."""


@command("CIPSEND", "s")
async def send(call: Call) -> Result:
    """Prompt, exactly so many bytes, `Recv`, and then the network's answer."""
    arguments, state = call.arguments, call.state
    link_id = arguments.integer(0, LINK_COUNT - 1) if state.mux else 0
    lowest = -(1 << 31) if call.profile.empty_send_waits else 1
    length = arguments.integer(lowest, call.profile.send_limit)
    link = call.firmware.links.get(link_id)
    if link is None or state.passthrough_mode:
        raise failed()
    destination = await _destination(call, link)
    payload = await take_payload(call, link, length)
    if payload is None:
        finish(call, link)
        return Result.SEND_CANCELED
    return await deliver(call, link, payload, destination)


async def _destination(call: Call, link: Link) -> tuple[str, int] | None:
    """The address behind the length: datagrams only."""
    arguments = call.arguments
    if not arguments.left:
        return None
    if link.is_stream:
        raise failed()
    host = arguments.string(call.profile.host_name_limit)
    port = arguments.integer(1, 65535, default=link.port)
    arguments.end()
    if not host:
        raise out_of_range(arguments.index - 2)
    address = await call.firmware.links.resolve(host)
    if address is None:
        raise failed()
    return address, port


async def take_payload(call: Call, link: Link, length: int) -> bytes | None:
    """The data phase: it waits for ever; None if the host cancelled it."""
    firmware = call.firmware
    phase = DataPhase(firmware.receiver, length if length > 0 else None)
    link.sending = True
    firmware.receiver.divert(phase)
    for number, write in enumerate(call.profile.prompt):
        if number and firmware.faults.active:
            firmware.faults.gap("ok and prompt")
        firmware.write(write)
    pieces = await phase.collect()
    if pieces is None:
        return None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def deliver(call: Call, link: Link, payload: bytes, destination: tuple[str, int] | None) -> Result:
    """What follows the last byte of the payload."""
    firmware, links = call.firmware, call.firmware.links
    faults = firmware.faults
    if faults.active:
        faults.gap("prompt and recv")
    if call.profile.says_recv:
        firmware.write(b"\r\nRecv %d bytes\r\n" % len(payload))
    if faults.active:
        faults.gap("recv and send ok")
    if links.get(link.link_id) is not link:
        # FIN at the prompt: CLOSED came at once, and now Recv and SEND FAIL (observed 2.0).
        return Result.SEND_FAIL
    wanted = faults.accepted_bytes(len(payload)) if faults.active else len(payload)
    taken = await links.send(link, payload[:wanted], destination)
    broke_before = link.reset
    finish(call, link)
    # RST at the prompt goes unnoticed until the send, which still says SEND OK before CLOSED (observed 2.0).
    return Result.SEND_OK if (taken or broke_before) and wanted == len(payload) else Result.SEND_FAIL


def finish(call: Call, link: Link) -> None:
    """The send is over: a break that it hid may show, behind the result."""
    link.sending = False
    if link.reset:
        call.after(lambda: call.firmware.links.finish_if_drained(link))
