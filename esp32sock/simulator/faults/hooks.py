"""Hooks at which faults act. A module without faults carries `NO_FAULTS`, whose hooks change nothing.

A fault is a subclass of `Faults` that overrides the hooks it needs; `injector.FaultInjector` does those
that have a name (spec.py). All chance comes from the module's one seeded Random, so a seed names a whole run.
The docstring of a hook names the place where the firmware calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from esp32sock.simulator.environment.radio import AccessPoint, Radio
    from esp32sock.simulator.faults.spec import Triggers
    from esp32sock.simulator.kernel import Kernel
    from esp32sock.simulator.network.api import Event
    from esp32sock.simulator.serial.uart import Uart

Place: TypeAlias = Literal[
    "before command", "before result", "after result", "ok and prompt", "prompt and recv", "recv and send ok"
]
"""Between which two writes of the firmware a `gap` is: something unsolicited may be printed there."""

LineVerdict: TypeAlias = Literal["run", "busy", "busy and run", "error"]


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """What a fault may do to the module, beyond what the hooks return."""

    kernel: Kernel
    uart: Uart
    radio: Radio
    is_running: Callable[[], bool]
    """False while the chip boots."""
    write: Callable[[bytes], None]
    """Print something, subject to the faults themselves."""
    turn_echo_on: Callable[[], None]
    crash: Callable[[], None]
    """Reset the chip as a watchdog does."""
    lose_access_point: Callable[[], AccessPoint | None]
    """Switch off the access point that the module is joined to; which one that was."""
    deliver: Callable[[Event], None]
    """Give the firmware a network event now."""


class Faults:
    """All hooks, doing nothing. `active` is asked first, so that a module without faults pays nothing."""

    active = False
    triggers: Triggers | None = None
    """For the network's faults, which act between module and network (shaping.py)."""

    def bind(self, random: Random) -> None:
        """Learn the module's source of chance; comes before everything else."""

    def start(self, target: FaultTarget) -> None:
        """The module was powered on: the moment to schedule what happens by itself (a crash, a storm of
        URCs).
        """

    def end(self) -> None:
        """Other faults take the place of these: nothing of these may act any more, and held events go on."""

    def host_bytes(self, data: bytes) -> list[bytes]:
        """What arrives of the bytes that the host wrote, as reads of the UART."""
        return [data]

    def module_bytes(self, uart: Uart, data: bytes) -> None:
        """One write of the firmware is to leave through its UART."""
        uart.write(data)

    def line(self, line: bytes) -> LineVerdict:
        """What happens to a complete command line that the module is free to run."""
        return "run"

    def gap(self, place: Place) -> None:
        """The firmware stands between two writes."""

    def accepted_bytes(self, count: int) -> int:
        """How many of `count` payload bytes reach the network before SEND FAIL; all of them: no fault."""
        return count

    def network_event(self, event: Event) -> list[Event]:
        """What the firmware gets to see of a network event."""
        return [event]


NO_FAULTS = Faults()
