"""`esp32sock update`: install new firmware over the air, with a progress bar of its four stages."""

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
"""The first start of new firmware may take longer than others; by taste."""

PROGRESS = {
    update.UpdateStage.FINDING_SERVER: "finding the server",
    update.UpdateStage.CONNECTING: "connecting to the server",
    update.UpdateStage.ASKING_VERSION: "asking for the latest version",
    update.UpdateStage.UPDATING: "downloading the firmware",
}
LAST = len(PROGRESS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Download new firmware from Espressif's server to the module and restart it. Takes minutes; after a "
        "failure the module keeps its current firmware."
    )
    add_options(parser)
    add_yes(parser)
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    firmware = str(session.firmware).removeprefix("AT version:")
    await confirmed(arguments, f"This replaces the firmware {firmware} and closes all connections.")
    try:
        with stages(quiet=arguments.json) as begun:
            done = await session.execute(update.Update(on_stage=begun))
    except KeyboardInterrupt:
        print("\nthe module continues the update, is busy until the end, and restarts then", file=sys.stderr)
        raise
    restarted = await until_restarted(session, RESTART_S)
    text = "updated and restarted" if restarted else f"updated, but not restarted within {RESTART_S:g} s"
    print_result(arguments, {"stages": done, "restarted": restarted}, lambda: print(text))
    return None if restarted else FAILED


@contextmanager
def stages(*, quiet: bool) -> Iterator[Callable[[update.UpdateStage], object]]:
    """A progress bar on a terminal, one line per stage elsewhere, nothing with `quiet`."""
    if quiet:
        yield lambda stage: None
        return
    if not sys.stderr.isatty():
        yield lambda stage: print(f"stage {stage} of {LAST}: {PROGRESS[stage]}", file=sys.stderr, flush=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=LAST)
        yield lambda stage: bar.update(
            task, completed=stage - 1, description=f"stage {stage} of {LAST}: {PROGRESS[stage]}", refresh=True
        )
        bar.update(task, completed=LAST, description="done")
