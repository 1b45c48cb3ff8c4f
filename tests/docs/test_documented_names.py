"""Every command name that the documents of a release have is simulated there, or said to be none for sockets.

Asked as a client would: the test form of a name that is not known is refused with the code 0x01090000. The
2017 document and NonOS print no codes; `test_document_examples.py` and `test_esp8266.py` are about those.
"""

from __future__ import annotations

import gzip
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from esp32sock.simulator import Device, MemoryNetwork, Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "not-for-sockets.md"
LISTED_BY_4_1 = ROOT / "tests" / "data" / "captures" / "esp-at-v4.1dev-cmd-list.txt.gz"
UNKNOWN = b"0x01090000"

# at-dialects 1.2, 5, 6 and 7: the release from which the documents have a name.
SINCE = {
    (0, 10): """
        RST GMR GSLP RESTORE UART UART_CUR UART_DEF SLEEP SYSRAM CWMODE CWJAP CWLAPOPT CWLAP CWQAP CWSAP CWLIF
        CWDHCP CWDHCPS CWAUTOCONN CIPSTAMAC CIPAPMAC CIPSTA CIPAP CWSTARTSMART CWSTOPSMART WPS CWHOSTNAME
        CIPSTATUS CIPDOMAIN CIPSTART CIPSEND CIPSENDEX CIPCLOSE CIFSR CIPMUX CIPSERVER CIPMODE SAVETRANSLINK
        CIPSTO CIUPDATE CIPSNTPCFG CIPSNTPTIME CIPDINFO CIPDNS
    """,
    (1, 0): "CIPSERVERMAXCONN CIPSSLCCONF PING MDNS SYSFLASH",
    (1, 2): "SYSMSG CIPETH CIPETHMAC",
    (2, 0): "SYSLOG SYSTIMESTAMP RFPOWER CIPSTARTEX CIPRECONNINTV CIPRECVMODE CIPRECVDATA CIPRECVLEN",
    (2, 1): "SYSSTORE CIPTCPOPT CIPSSLCCN CIPSSLCSNI CIPSSLCALPN CWQIF CWCOUNTRY SYSROLLBACK SLEEPWKCFG",
    (2, 2): "CMD SYSREG USERRAM CIPV6 CWSTATE CWRECONNCFG CIPSSLCPSK CWJEAP",
    (2, 4): "CIPSTATE CIPSENDL CIPSENDLCFG CIPSNTPINTV",
    (3, 2): "SYSMFG SYSMSGFILTER SYSMSGFILTERCFG TRANSINTVL CWINIT CIPSSLCPSKHEX",
    (3, 4): "CIPRECVTYPE",
    (5, 0): "CIPCONNPERSIST",
}
RELEASES = ["0.10", "1.0", "1.2", "2.0", "2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0"]
NAMES_OF_4_1 = 137
"""So many 4.1 lists."""


def listed_by_the_firmware() -> set[str]:
    """What `AT+CMD?` of a real 4.1 has; later releases dropped none that a document still has."""
    text = gzip.decompress(LISTED_BY_4_1.read_bytes()).decode("utf-8", "replace")
    return {name.removeprefix("AT+") for name in re.findall(r'"(AT\+[A-Z0-9_]+)"', text)}


def documented(release: str) -> set[str]:
    version = tuple(map(int, release.split(".")))
    names = {name for since, words in SINCE.items() if since <= version for name in words.split()}
    return names | listed_by_the_firmware() if version >= (4, 1) else names


def not_for_sockets() -> list[str]:
    """The patterns of the page."""
    rows = [line.split("|")[1] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    return [pattern for row in rows for pattern in re.findall(r"`AT\+([A-Z0-9_*]+)`", row)]


def unknown(release: str) -> set[str]:
    """The documented names that the simulated module refuses as unknown."""
    module = Device(Settings(profile=release), MemoryNetwork())
    now = 0.0

    def ask(line: bytes) -> bytes:
        nonlocal now
        module.host_wrote(line + b"\r\n", now)
        answer = b""
        while not answer.endswith((b"OK\r\n", b"ERROR\r\n")):
            now += 0.01
            module.advance(now)
            answer += module.take_output(now, 1 << 16)
        return answer

    ask(b"ATE0")
    ask(b"AT+SYSLOG=1")
    assert UNKNOWN in ask(b"AT+NOSUCHCOMMAND=?")
    return {name for name in documented(release) if UNKNOWN in ask(b"AT+" + name.encode() + b"=?")}


def test_the_firmware_lists_many_names() -> None:
    assert len(listed_by_the_firmware()) == NAMES_OF_4_1


@pytest.mark.parametrize("release", RELEASES)
def test_every_documented_name_is_simulated_or_on_the_page(release: str) -> None:
    patterns = not_for_sockets()
    missing = {name for name in unknown(release) if not any(fnmatchcase(name, one) for one in patterns)}
    assert not missing


def test_every_row_of_the_page_says_something() -> None:
    """A name that is simulated everywhere is not to be on it; Bluetooth is in documents that are not here."""
    unknown_somewhere = {name for release in RELEASES for name in unknown(release)}
    for pattern in not_for_sockets():
        if not pattern.startswith(("BLE", "BT", "BLUFI")):
            assert any(fnmatchcase(name, pattern) for name in unknown_somewhere), pattern
