"""The exchanges that differ, each with its reason, by capture and line of the file.

`DOUBTFUL` are those that real-firmware 2 calls so: what the emulation did, and no rule. All others are
`DIFFERENT`. An exchange that differs and is not here fails the test, and so does one that is here and is
equal.
"""

from __future__ import annotations

_SLOW = "the emulator was slow: the answer or the command went missing, or came behind the next"
_CUT = "a long line that was read in two pieces, of which the first was thrown away"
_STUCK = "the emulated module hung or was restarted in the middle of this"
_LOADED = "boot and watchdog text instead of an answer: the emulated module did not come back"
_SUSPECT = "real-firmware 2 calls lines with NUL bytes in this section suspect"
CUT_OFF = "the recording ends before the answer does"
_FINDS_FEWER = "a scan that heard one access point of three"

DOUBTFUL_LINES: dict[str, dict[str, tuple[int, ...]]] = {
    "esp-at-v2.0-sweep": {
        _STUCK: (316, 319, 3562, 3848, 4180, 4182, 4185),
        _SLOW: (3175, 3177),
        _FINDS_FEWER: (2156,),
    },
    "esp-at-v201712-basic": {
        _CUT: (115, 118),
        CUT_OFF: (259,),
    },
    "esp-at-v201712-duplex": {
        _SUSPECT: (140, 155),
        "busy to a payload 5 ms behind the prompt: its bytes were lost, and the rest follows": (
            500,
            509,
            512,
        ),
    },
    "esp-at-v201712-sweep": {
        _CUT: (125, 138, 141, 144, 2454),
        _LOADED: (149, 164, 177, 230, 250, 252, 257, 259, 3042, 3044, 3197, 3215, 3218),
        _SLOW: (1566, 1571),
        "busy half a second after a result, behind another line that was refused as busy": (1432,),
        _STUCK: (2630, 2632, 2634, 2911, 2913, 2916, 2920, 3020),
    },
    "esp-at-v3.2c3-tcp-single": {
        "here the emulated chip stopped answering": (151,),
    },
    "esp-at-v4.1dev-already-connected": {
        "the recording begins while the module still boots": (8, 10, 12),
        CUT_OFF: (40,),
    },
    "esp-at-v4.2dev-basic": {
        "the recording begins while the module still boots": (8, 17),
    },
    "esp-at-v2.0-walk-2000": {
        "+STA_DISCONNECTED lines are the emulator's (real-firmware 2)": (131,),
    },
}

_WINDOW = "how much of a full window has come when a read answers depends on the emulator's timing"

DIFFERENT_LINES: dict[str, dict[str, tuple[int, ...]]] = {
    "esp-at-v2.0-passive": {_WINDOW: (58,)},
    "esp-at-v2.0-sweep": {
        "the module reset while it looked for an SSID of 32 bytes: seen once, and not taken for a rule": (
            1094,
        ),
    },
    "esp-at-v201712-duplex": {
        "the peer's close falls before the scan ends here, behind it there": (670,),
    },
    "esp-at-v2.0-walk-2022": {
        "a notice of 1436 bytes for a first segment of 1440: the emulator's (walks, README)": (50,),
    },
    "esp-at-v2.0-walk-2012": {
        "whether what a stalled link kept comes before CONNECT (duplex-wake) or behind it is a race": (141,),
    },
    "esp-at-v4.1dev-passive": {
        _WINDOW: (45, 50, 60),
    },
}


BLOCK_LINES: dict[str, tuple[int, ...]] = {
    "esp-at-v2.0-sweep": (
        2892,
        2897,
    ),
    "esp-at-v2.0-tcp-single": (
        77,
        150,
        208,
    ),
    "esp-at-v201712-sweep": (
        2712,
        2716,
    ),
    "esp-at-v201712-tcp-single": (
        79,
        154,
        212,
    ),
    "esp-at-v3.2c3-tcp-single": (91,),
    "esp-at-v4.1dev-tcp-failures": (
        40,
        64,
    ),
    "esp-at-v4.1dev-tcp-single": (
        85,
        147,
        205,
    ),
    "esp-at-v4.2dev-tcp-failures": (
        42,
        72,
    ),
    "esp-at-v2.0-walk-2018": (13,),
    "esp-at-v4.1dev-walk-2020": (47,),
    "esp-at-v4.1dev-walk-2028": (61,),
}
"""Where one block ends and the next begins: how much one read found when it came to it. The same bytes come
as 1440, 2880, 680 in one capture and as 1440, 2920, 640 or 2920, 2080 in others (real-firmware 2 and 6);
test_replay.py shows that nothing else differs.
"""

_BLOCKS = "the same bytes in other blocks: how many segments had come when the firmware read"


def _by_line(table: dict[str, dict[str, tuple[int, ...]]]) -> dict[str, dict[int, str]]:
    return {
        name: {line: reason for reason, lines in reasons.items() for line in lines}
        for name, reasons in table.items()
    }


DOUBTFUL = _by_line(DOUBTFUL_LINES)
DIFFERENT = _by_line(DIFFERENT_LINES)
for _name, _lines in BLOCK_LINES.items():
    DIFFERENT.setdefault(_name, {}).update(dict.fromkeys(_lines, _BLOCKS))
