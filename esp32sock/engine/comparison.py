"""When the module is compared with the engine's state: after a doubt, before the next command."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from esp32sock.at.events import Contradiction, DoubtSettled, ModuleRestarted, ModuleSilent
from esp32sock.errors import CommandError, ModuleReset

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.at.events import ModuleEvent

AGAIN_S = 0.5
"""Between two tries to compare with a module that answers with errors; by taste."""
TRIES = 3
LATER_S = 5.0
"""After so many tries the comparison waits for so long, and commands go out with the doubt; by taste."""

log = logging.getLogger("esp32sock")


class Comparison:
    """The doubt about one module, and what settles it."""

    def __init__(self, is_set_up: Callable[[], bool]) -> None:
        self._is_set_up = is_set_up
        self.doubt: str | None = None
        """Why the module must be compared, before anything else is sent."""
        self._compare: Callable[[str], Awaitable[None]] | None = None
        self._is_running = False
        self._not_before_s = float("-inf")

    @property
    def is_supervised(self) -> bool:
        """Whether there is a way to settle doubts."""
        return self._compare is not None

    def supervise(self, compare: Callable[[str], Awaitable[None]]) -> None:
        """From now on doubts are settled by `compare`, which is given the reason."""
        self._compare = compare

    def note(self, event: ModuleEvent) -> None:
        """What the session tells may be a doubt, or the end of all."""
        if isinstance(event, DoubtSettled):
            self.doubt = f"{event.label} was not answered"
        elif isinstance(event, Contradiction):
            if not self._is_running:  # what comes then is of before
                self.doubt = event.reason
        elif isinstance(event, ModuleRestarted | ModuleSilent):
            self.doubt = None

    def need(self, reason: str) -> None:
        """The answer to a command is reason to doubt."""
        self.doubt = self.doubt or reason

    async def until_due(self) -> bool:
        """Wait until there may be a comparison; whether one is needed."""
        if self.doubt is None or self._compare is None:
            return False
        await trio.sleep_until(self._not_before_s)
        return True

    async def settle(self) -> None:
        """Compare until there is no doubt, or for now; called while holding the channel."""
        if trio.current_time() < self._not_before_s:
            return
        tries = 0
        while self.doubt is not None and self._compare is not None and self._is_set_up():
            reason, self.doubt = self.doubt, None
            self._is_running = True
            try:
                await self._compare(reason)
            except ModuleReset:
                return  # it is set up anew
            except CommandError as error:
                log.warning("comparing with the module: %s", error)
                tries += 1
                self.doubt = self.doubt or reason
                if tries == TRIES:  # more would keep every socket waiting
                    self._not_before_s = trio.current_time() + LATER_S
                    return
                await trio.sleep(AGAIN_S)
            except BaseException:
                self.doubt = self.doubt or reason
                raise
            finally:
                self._is_running = False
