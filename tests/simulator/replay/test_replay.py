"""Every capture of real firmware, replayed against the profile that real-firmware names.

At least 95 % of the exchanges of each firmware are equal, or 98 % without those that `DOUBTFUL`
lists, and 98 % of the walks of each; each other one is listed with its reason in differences.py.

The input of a replay is what the host wrote, and when. The player reads more of a recording, as the recorder
left out what stood around the module. From the answers it takes: how long to wait before the next write
(`Player._finish`), that a line refused as busy right after a result is not written at all, that a join fails
where the recorded one did or gets no address (`Player._set_air`), that the radio heard nothing after a
restart (`Player._set_radio`), whether the module has joined before the recording begins (`starts_joined`),
when a peer acts, and what the clients of the module's server send and which link each of them got
(`Director.printed`, `Director.remark`). From the recorder's headings and remarks: the order of the sections
(`in_order_of_recording`), what the peers do (`Director.remark`), and that the module was replaced or
restarted by itself. What led to the state in which a section begins, where no file shows it, is in setups.py
and compared with nothing. No answer of the simulated module is made from a recorded one.
"""

import pytest

from .capture import CAPTURES, available
from .differences import BLOCK_LINES, CUT_OFF, DIFFERENT, DOUBTFUL
from .duplex import separate
from .reporting import describe, figures, replay

PATHS = available()


@pytest.fixture(scope="module")
def results():
    return {path: replay(path) for path in PATHS}


def test_there_are_captures():
    assert len(PATHS) >= 33, CAPTURES


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name.split(".txt")[0])
def test_every_difference_is_listed(results, path):
    result = results[path]
    unknown = [exchange for exchange in result.different if not result.reason(exchange)]
    assert not unknown, "\n".join(describe(result))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name.split(".txt")[0])
def test_every_listed_difference_is_one(results, path):
    result = results[path]
    listed = set(DOUBTFUL.get(result.name, {})) | set(DIFFERENT.get(result.name, {}))
    assert listed <= {exchange.line for exchange in result.different}


def test_an_answer_that_is_cut_off_is_the_last_and_begins_as_recorded(results):
    for result in results.values():
        for exchange in result.exchanges:
            if result.reason(exchange) == CUT_OFF:
                recorded, simulated = exchange.compared
                assert exchange is result.exchanges[-1]
                assert simulated.startswith(recorded)


def test_nothing_is_listed_for_a_capture_that_is_not_there(results):
    assert set(DOUBTFUL) | set(DIFFERENT) <= {result.name for result in results.values()}


def test_shares(results):
    for firmware, made in figures(results.values()).items():
        assert made.share >= 0.95 or made.share_without_doubtful >= 0.98, f"{firmware}: {made}"


def test_shares_of_the_walks(results):
    walks = [result for result in results.values() if result.topic.startswith("walk-")]
    assert len(walks) == 29
    for firmware, made in figures(walks).items():
        print(f"walks of {firmware}: {made}")
        assert made.share >= 0.98, f"{firmware}: {made}"


def test_nothing_is_kept_of_a_recording(results):
    """Twice the same, whatever was replayed before."""
    path = next(path for path in PATHS if "v2.0-wifi" in path.name)
    again = replay(path)
    assert [each.simulated for each in again.exchanges] == [
        each.simulated for each in results[path].exchanges
    ]


def test_where_only_the_blocks_differ_the_bytes_are_the_same(results):
    """The reason of `BLOCK_LINES`, checked: text and payload of each link are equal, the sizes are not."""
    seen = 0
    for result in results.values():
        trailer = b"" if result.firmware == "v201712" else b"\r\n"
        lines = BLOCK_LINES.get(result.name, ())
        for exchange in result.exchanges:
            if exchange.line in lines:
                seen += 1
                recorded, simulated = exchange.compared
                assert separate(recorded, trailer) == separate(simulated, trailer), (
                    result.name,
                    exchange.line,
                )
    assert seen == sum(map(len, BLOCK_LINES.values()))
