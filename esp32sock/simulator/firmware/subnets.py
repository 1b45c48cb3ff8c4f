"""The subnets that a module has before one is set, and what DHCP gives in that of the SoftAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.environment.radio import Subnet

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.memory import Memory

NO_SUBNET = Subnet(address="0.0.0.0", gateway="0.0.0.0", netmask="0.0.0.0")
SOFTAP_SUBNET = Subnet(address="192.168.4.1", gateway="192.168.4.1", dns="")
"""At-dialects 6."""

DHCP_STATION, DHCP_SOFTAP, DHCP_ETHERNET = 1, 2, 4
"""The bits of AT+CWDHCP."""


def dhcp_range(memory: Memory) -> tuple[int, str, str]:
    """The lease in minutes and the range; by default 120 and the hundred addresses from .2 on."""
    lease, first, last = memory.get("dhcp_range", (0, "", ""))
    if lease:
        return lease, first, last
    network = memory.get("softap_subnet", SOFTAP_SUBNET).address.rpartition(".")[0]
    return 120, f"{network}.2", f"{network}.101"
