"""Payload from the host to a link: CIPSEND and CIPSENDEX (V1.0 5.2.4, 5.2.5; at-dialects 7.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.data_phase import DataPhase, EscapedPhase, LockingPhase, RawEndedPhase
from esp32sock.simulator.firmware.link import LINK_COUNT
from esp32sock.simulator.firmware.results import CommandRefused, Result, refuse_if
from esp32sock.simulator.network.api import version_of

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.link import Link

HUGE = 1 << 63


@command("CIPSEND", "t")
def send_test(call: Call) -> None:
    """A plain OK (sweep of CIPSEND, 1.0, 2.0)."""


@command("CIPSENDEX", "t")
def send_escaped_test(call: Call) -> None:
    """A plain OK (real-firmware 7: 2.0)."""


@command("CIPSEND", "s")
async def send(call: Call) -> Result:
    """Prompt, exactly so many bytes, `Recv`, and then the network's answer."""
    return await _send(call, escaped=False)


@command("CIPSENDEX", "s")
async def send_escaped(call: Call) -> Result:
    """The same, but `\\0` ends it early and `\\x` is x (at-dialects 7.5)."""
    return await _send(call, escaped=True)


async def _send(call: Call, *, escaped: bool) -> Result:
    arguments, state, firmware = call.arguments.without_codes(), call.state, call.firmware
    link_id = _read_link_id(call) if state.mux else 0
    lowest = -HUGE if call.profile.empty_send_waits else 1
    length = arguments.integer(lowest, call.profile.send_limit)
    if link_id == -1:
        return await _send_to_nobody(call, length)
    link = firmware.links.get(link_id)
    if link is None or state.passthrough_mode:
        call.say_why("not open")
        raise CommandRefused
    destination = await read_destination(call, link)
    payload = await take_payload(call, link, length, escaped=escaped)
    if payload is None:
        finish(call, link)
        return Result.SEND_CANCELED
    if not payload and call.profile.tcpip.empty_sendex_hangs:
        firmware.receiver.deafen()
        await firmware.board.kernel.future()
    return await deliver(call, link, payload, destination)


def _read_link_id(call: Call) -> int:
    """0 to 4; on 1.0 also -1, which then fails (sweep of CIPSEND)."""
    lowest = -1 if call.profile.tcpip.minus_one_link else 0
    return call.arguments.integer(lowest, LINK_COUNT - 1)


async def _send_to_nobody(call: Call, length: int) -> Result:
    payload = await take_payload(call, None, length)
    if payload is None:
        return Result.SEND_CANCELED
    call.board.write(b"\r\nRecv %d bytes\r\n" % len(payload))
    return Result.SEND_FAIL


async def read_destination(call: Call, link: Link) -> tuple[str, int] | None:
    """The address behind the length: datagrams only."""
    arguments = call.arguments
    if not arguments.left:
        return None
    refuse_if(link.is_stream)
    host = arguments.string(call.profile.host_name_limit)
    port = 0  # left out, it reaches no peer (sweep of CIPSEND, 1.0, 2.0)
    if arguments.left:
        port = arguments.integer(1, 65535)
    arguments.end()
    refuse_if(not host)
    address = await call.firmware.requests.resolve(host, version=version_of(link.address))
    if address is None:
        raise CommandRefused
    return address, port


def prompt(call: Call) -> None:
    """Invite payload."""
    board = call.board
    for number, write in enumerate(call.profile.prompt):
        if number and board.faults.active:
            board.faults.gap("ok and prompt")
        board.write(write)


def _new_phase(call: Call, length: int, *, escaped: bool) -> DataPhase:
    receiver, traits = call.firmware.receiver, call.profile.tcpip
    if length <= 0:
        locks = length == 0 and traits.empty_prompt_locks
        return LockingPhase(receiver, 0) if locks else DataPhase(receiver, None)
    if not escaped:
        return DataPhase(receiver, length)
    return (EscapedPhase if traits.sendex_unescapes else RawEndedPhase)(receiver, length)


async def take_payload(call: Call, link: Link | None, length: int, *, escaped: bool = False) -> bytes | None:
    """The data phase: it waits for ever; None if the host cancelled it."""
    firmware = call.firmware
    phase = _new_phase(call, length, escaped=escaped)
    firmware.receiver.divert(phase)
    if link is not None:
        link.sending = link.in_send = True
    prompt(call)
    pieces = await phase.collect()
    if pieces is None:
        return None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def deliver(call: Call, link: Link, payload: bytes, destination: tuple[str, int] | None) -> Result:
    """What follows the last byte of the payload."""
    firmware, links = call.firmware, call.firmware.links
    faults = firmware.board.faults
    if faults.active:
        faults.gap("prompt and recv")
    if call.profile.says_recv:
        firmware.board.write(b"\r\nRecv %d bytes\r\n" % len(payload))
    firmware.inbound.payload_taken(link)
    if faults.active:
        faults.gap("recv and send ok")
    if not links.holds(link):
        # FIN at the prompt: CLOSED came at once, and now Recv and SEND FAIL (observed 2.0).
        return Result.SEND_FAIL
    if destination is not None and link.redirected is not None:
        destination = link.redirected
    wanted = faults.accepted_bytes(len(payload)) if faults.active else len(payload)
    taken = await links.send(link, payload[:wanted], destination)
    broke_before = link.reset
    link.in_send = False
    finish(call, link)
    # RST at the prompt goes unnoticed until the send, which still says SEND OK before CLOSED (observed 2.0).
    if (taken or broke_before) and wanted == len(payload):
        return Result.SEND_OK
    if call.profile.tcpip.late_send_ok:
        call.after(lambda: call.board.write(Result.SEND_OK.value))
    return Result.SEND_FAIL


def finish(call: Call, link: Link) -> None:
    """The send is over: a break that it hid may show, behind the result."""
    link.sending = False
    link.redirected = None
    if link.reset:
        call.after(lambda: call.firmware.links.finish_if_drained(link))
