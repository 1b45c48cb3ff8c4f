"""What must not stop half-way: neither Ctrl-C nor cancellation reaches it, both come behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

R = TypeVar("R")


async def run_shielded(job: Callable[[], Awaitable[R]]) -> R:
    """Do it to its end, in a task of its own, since trio gives KeyboardInterrupt to the main one only.

    Raises what the job raises; interrupted and failed, both in a group.
    """
    results: list[R] = []
    failures: list[Exception] = []

    async def run() -> None:
        with trio.CancelScope(shield=True):
            try:
                results.append(await job())
            except Exception as error:
                failures.append(error)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
    except BaseException as interrupt:
        if failures:
            raise BaseExceptionGroup("interrupted, and it failed", [interrupt, *failures]) from None
        raise
    if failures:
        raise failures[0]
    return results[0]
