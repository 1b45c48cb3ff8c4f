"""`esp32sock update`: fetch new firmware over the air; its four stages as progress."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from esp32sock.at.commands import update
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result
from esp32sock.cli.prompts import add_yes, confirmed
from esp32sock.cli.restore import until_restarted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from esp32sock.engine.management import ManagementSession

RESTART_S = 60.0
"""The first start with new firmware may take its time; by taste."""

PROGRESS = {
    update.UpdateStage.FINDING_SERVER: "finding the server",
    update.UpdateStage.CONNECTING: "connecting to it",
    update.UpdateStage.ASKING_VERSION: "asking for the version",
    update.UpdateStage.UPDATING: "fetching the firmware",
}
LAST = len(PROGRESS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Have the module fetch new firmware from its maker's server and restart with it. Takes minutes; "
        "if it fails, the module keeps the firmware it has."
    )
    add_options(parser)
    add_yes(parser)
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    firmware = str(session.firmware).removeprefix("AT version:")
    await confirmed(arguments, f"The module has {firmware}; its firmware is replaced, and every link ends.")
    try:
        with stages(quiet=arguments.json) as begun:
            done = await session.execute(update.Update(on_stage=begun))
    except KeyboardInterrupt:
        print("\nthe module goes on by itself, is busy until it is done, and restarts then", file=sys.stderr)
        raise
    restarted = await until_restarted(session, RESTART_S)
    words = "updated and restarted" if restarted else f"updated, but not back within {RESTART_S:g} s"
    print_result(arguments, {"stages": done, "restarted": restarted}, lambda: print(words))
    return None if restarted else FAILED


@contextmanager
def stages(*, quiet: bool) -> Iterator[Callable[[update.UpdateStage], object]]:
    """A bar on a terminal, a line a stage elsewhere, nothing when `quiet`."""
    if quiet:
        yield lambda stage: None
        return
    if not sys.stderr.isatty():
        yield lambda stage: print(f"stage {stage} of {LAST}: {PROGRESS[stage]}", file=sys.stderr, flush=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("asking the module", total=LAST)
        yield lambda stage: bar.update(
            task, completed=stage - 1, description=f"stage {stage} of {LAST}: {PROGRESS[stage]}", refresh=True
        )
        bar.update(task, completed=LAST, description="done")
