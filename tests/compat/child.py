"""One process of the compatibility run: one test class, with its sockets on a simulated module or as usual.

    python -m tests.compat.child RESULTS MODULE CLASS [--unpatched] [--profile P] [--skip ID ...]

Writes a line of JSON to RESULTS at the start and at the end of every test. A test that takes too long ends
the process with the stacks of all threads on stderr: the last line names it.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
import unittest
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.compat.expected import EXPECTED
from tests.compat.plan import cases, has_ipv6

if TYPE_CHECKING:
    from collections.abc import Callable

HUNG_S = float(os.environ.get("ESP32SOCK_COMPAT_HUNG_S", "60"))
"""The longest of them takes some 6 s on an idle machine."""
EXPECTED_HUNG_S = 8.0


class Lines(unittest.TestResult):
    """A result that reports while it happens."""

    def __init__(self, path: str, links_opened: Callable[[], int]) -> None:
        super().__init__()
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self._links_opened = links_opened
        self._outcome = "ok"
        self._text = ""
        self._links = 0
        self._began_s = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        gc.collect()  # some count the warnings of what they drop: not of what others did
        self._outcome, self._text = "ok", ""
        self._links, self._began_s = self._links_opened(), time.monotonic()
        self._write(start=test.id())
        expected = EXPECTED.get(test.id())
        hangs = expected is not None and expected.hangs
        faulthandler.dump_traceback_later(EXPECTED_HUNG_S if hangs else HUNG_S, exit=True)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        self._write(
            end=test.id(),
            outcome=self._outcome,
            text=self._text,
            links=self._links_opened() - self._links,
            seconds=round(time.monotonic() - self._began_s, 3),
        )

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._bad(test, "failed", err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._bad(test, "failed", err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._bad(test, "failed", err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if test.id().startswith(("setUpClass", "setUpModule")):
            self._write(end=test.id(), outcome="skipped", text=reason, links=0, seconds=0.0)
        elif self._outcome == "ok":
            self._outcome, self._text = "skipped", reason

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._outcome = "skipped"  # its own authors expect it to fail
        self._text = "expectedFailure"

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._outcome, self._text = "failed", "unexpected success"

    def _bad(self, test: unittest.TestCase, outcome: str, err: Any) -> None:
        text = "".join(traceback.format_exception(*err))
        if "." not in test.id() or test.id().startswith(("setUp", "tearDown")):
            self._write(end=test.id(), outcome=outcome, text=text, links=0, seconds=0.0)
            return
        self._outcome = outcome
        self._text += text

    def _write(self, **entry: object) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("module")
    parser.add_argument("cls")
    parser.add_argument("--unpatched", action="store_true")
    parser.add_argument("--profile", default="2.4")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--skip", nargs="*", default=[])
    arguments = parser.parse_args()
    with ExitStack() as closing:
        links_opened = (lambda: 0) if arguments.unpatched else _over_a_module(arguments, closing)
        result = Lines(arguments.results, links_opened)
        closing.callback(result.close)
        module = importlib.import_module(arguments.module)
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(getattr(module, arguments.cls))
        wanted = [
            case
            for case in cases(suite)
            if case.id() not in arguments.skip
            if not arguments.only or any(text in case.id() for text in arguments.only)
        ]
        sys.argv = ["test"]
        unittest.TestSuite(wanted).run(result)


def _over_a_module(arguments: argparse.Namespace, closing: ExitStack) -> Callable[[], int]:
    """From now on loopback is behind a module, which is on this machine; how many links were opened."""
    import esp32sock
    from esp32sock.shims import monkey

    ipv6 = True if has_ipv6(arguments.profile) else None
    interface = esp32sock.attach(_simulated(arguments.profile, closing), direct=(), ipv6=ipv6)
    closing.callback(esp32sock.detach)
    monkey.patch()
    closing.callback(monkey.unpatch)
    return lambda: interface.stats()["links_opened"]


def _simulated(profile: str, closing: ExitStack) -> str:
    """A module that runs in a thread until `closing`; the URL of its port.

    The port is a TCP connection: a terminal hands on 2048 bytes at a time (tty_io.c), and the server of
    test_poplib breaks on a TLS record that comes in pieces.
    """
    import trio

    from esp32sock.simulator import Settings, serve

    running: Future[tuple[str, Callable[[], None]]] = Future()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            settings = Settings(profile=profile, aliases=())
            place = await nursery.start(partial(serve, settings, tcp=("127.0.0.1", 0)))
            token = trio.lowlevel.current_trio_token()
            running.set_result((place, lambda: token.run_sync_soon(nursery.cancel_scope.cancel)))

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    closing.callback(thread.join)
    place, stop = running.result(HUNG_S)
    closing.callback(stop)
    return place


if __name__ == "__main__":
    main()
