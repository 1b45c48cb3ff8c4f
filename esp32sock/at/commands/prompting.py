"""Which command lines make the module ask for payload with `>`: one catalogue of every generation.

A raw command has no payload, so after one of these the module would take the next commands for it
(at-dialects 7.13).
"""

from __future__ import annotations

import re
from typing import Final

_WITH_PARAMETERS: Final = (
    "CIPSEND", "CIPSENDEX", "CIPSENDL",
    "MQTTPUBRAW", "MQTTLONGCLIENTID", "MQTTLONGUSERNAME", "MQTTLONGPASSWORD",
    "HTTPCPOST", "HTTPCPUT", "HTTPCHEAD", "HTTPURLCFG",
    "WSSEND", "WSHEAD",
    "BLEGATTSNTFY", "BLEGATTSIND", "BLEGATTSSETATTR", "BLEGATTCWR", "BLUFISEND", "BTSPPSEND",
    "USEROTA", "DRVI2CWRDATA", "DRVSPIWR",
)  # fmt: skip
"""Their set commands ask, whatever the parameters are; `0` for a length clears what was set before."""

_WITH_OPERATION: Final = (
    r"SYSFLASH=1", r"SYSMFG=2", r"SYSMSGFILTERCFG=[12]", r"FS=\d+,1", r"USERRAM=[^01]",
)  # fmt: skip
"""These ask for some operations: writing, and filters that are named by their text."""

_BARE: Final = ("CIPSEND", "CIPSENDEX", "CIPSENDL", "BLESPP", "BTSPPSEND")
"""Without parameters: what follows is a stream (passthrough)."""

_ASKS: Final = re.compile(
    rf"AT\+(?:(?:{'|'.join(_WITH_PARAMETERS)})=(?!\?)(?!0\s*$)|(?:{'|'.join(_WITH_OPERATION)})\b)".encode(),
    re.IGNORECASE,
)
_STREAMS: Final = re.compile(rf"AT\+(?:{'|'.join(_BARE)})\s*$".encode(), re.IGNORECASE)


def asks_for_payload(line: bytes) -> bool:
    """Whether the module answers this line with a prompt and takes what follows for payload."""
    return _ASKS.match(line) is not None


def begins_stream(line: bytes) -> bool:
    """Whether everything behind this line is payload until `+++`."""
    return _STREAMS.match(line) is not None
