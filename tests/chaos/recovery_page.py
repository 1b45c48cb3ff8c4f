"""The table of docs/robustness.md; `python -m tests.chaos.recovery_page` writes it, a test says when."""

from __future__ import annotations

import re
from pathlib import Path

from tests.chaos.recovery import ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "robustness.md"
BEGIN, END = "<!-- recovery table -->\n", "<!-- end of it -->\n"
HEAD = (
    "| what happens | sockets that end with an error | within | sockets that go on | new work, listener |\n"
    "| --- | --- | --- | --- | --- |\n"
)
WHAT = {
    "ready-missed": "a restart whose `ready` was lost",
    "restart": "a restart",
    "silent-5": "no answer for 5 s",
    "silent-45": "no answer for 45 s",
    "silent-60": "no answer for 60 s",
    "silent-600": "no answer for 600 s",
    "stuck-data-phase": "payload lost on its way: the module waits for it",
    "garbage-1-mb": "1 MB of garbage",
    "lost-prompt": "a lost `>`",
    "lost-recv": "a lost `Recv`",
    "lost-send-ok": "a lost SEND OK",
    "lost-ok-look-up": "a lost OK of a look-up",
    "lost-error-look-up": "a lost ERROR of a look-up",
    "lost-answer-look-up": "a lost answer of a look-up",
    "lost-connect": "a lost CONNECT of a connection",
    "lost-ok-connect": "a lost OK of a connection",
    "lost-accept": "a lost CONNECT of a client",
    "lost-closed": "a lost CLOSED of a client",
    "lost-our-line": "a command lost on its way",
    "lost-our-line-end": "the end of a command lost on its way",
    "overrun": "120 bytes of a block lost on their way to the host",
    "port-gone-8": "the port is away for 8 s",
    "port-gone-600": "the port is away for 600 s",
    "rate-after-restart": "a restart ends at another rate than the one in use",
    "wifi-off-20": "no access point for 20 s",
    "lost-wifi-line": "the same, and WIFI DISCONNECT was lost",
    "wifi-off-300": "no access point for 300 s",
    "both-stopped-6": "program and module stopped for 6 s",
    "both-stopped-60": "program and module stopped for 60 s",
    "host-suspended-60": "the host suspended for 60 s",
    "host-suspended-600": "the host suspended for 600 s",
    "host-suspended-in-block-6": "the host suspended for 6 s inside a block",
    "host-suspended-in-block-60": "the host suspended for 60 s inside a block",
    "both-stopped-in-block-6": "program and module stopped for 6 s inside a block",
}
SOCKETS = {"active": "the one in use", "udp": "UDP", "accepted": "the idle one"}


def table() -> str:
    """All rows, as Markdown."""
    return HEAD + "".join(map(_line, ROWS))


def _line(row: Row) -> str:
    within = f"{row.lost_within_s:g} s" if row.lost else ""
    cells = WHAT[row.name], _names(row.lost), within, _names(row.kept), f"{row.work_within_s:g} s"
    return "| " + " | ".join(cells) + " |\n"


def _names(sockets: tuple[str, ...]) -> str:
    return "all" if len(sockets) == len(SOCKETS) else ", ".join(SOCKETS[name] for name in sockets)


def page() -> str:
    """The page with the table as it should be."""
    text = PAGE.read_text("utf-8")
    return re.sub(f"(?s)(?<={BEGIN}).*(?={END})", lambda _: table(), text)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
