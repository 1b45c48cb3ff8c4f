"""Applications that ask the module something of which the right answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import basic, wifi
from esp32sock.errors import Error

if TYPE_CHECKING:
    from tests.chaos.plan import AskPlan
from tests.chaos.world import CONNECT_S, NAMES, World, describe


async def ask(world: World, plan: AskPlan) -> None:
    """Questions with known answers, one after the other."""
    await world.until(plan.starts_s)
    for question in plan.questions:
        with trio.move_on_after(float("inf") if plan.gives_up_s is None else plan.gives_up_s):
            with world.ledger.waiting(f"ask {question}", CONNECT_S):
                await _ask(world, question)


async def _ask(world: World, question: str) -> None:
    try:
        if question == "version":
            firmware = await world.engine.execute(basic.Version())
            got: object = ".".join(map(str, firmware.version[:2]))
            right: tuple[object, ...] = (world.plan.profile,)
        elif question == "joined":
            joined = await world.engine.execute(wifi.Joined())
            got, right = joined and joined.ssid, ("Espressif", None)
        else:
            got = await world.engine.resolve(question)
            right = ([NAMES.get(question)],)
    except Error as error:
        world.trace.note(f"ask {question}: {describe(error)}")
        return
    world.trace.note(f"ask {question}: {got!r}")
    if got not in right and not world.text_damaged:
        world.ledger.violate("wrong-answer", f"{question}: {got!r} instead of {right!r}")
