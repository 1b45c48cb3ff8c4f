"""Chapter 5 of the 2017 document: names."""

from __future__ import annotations

from .registry import Call, command
from .results import failed, out_of_range


@command("CIPDOMAIN", "s")
async def look_up(call: Call) -> None:
    """V1.0 5.2.2; quoted from 2.2 on (at-dialects 7.2)."""
    arguments, firmware = call.arguments, call.firmware
    arguments.expect(1, 1)
    name = arguments.string(call.profile.host_name_limit)
    if not name:
        # Real 1.0 and 2.0 reset here (README of real-firmware); refused until that is a quirk of the profile.
        raise out_of_range(0)
    if not firmware.station.has_address:
        raise failed()
    address = await firmware.links.resolve(name)
    if address is None:
        raise failed()
    call.say(f'+CIPDOMAIN:"{address}"' if call.profile.domain_quoted else f"+CIPDOMAIN:{address}")
