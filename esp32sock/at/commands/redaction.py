"""Taking passwords out of what is shown: of command lines, and of what the module prints by itself."""

from __future__ import annotations

import re

HIDDEN = b"***"

_TEXT = rb'"(?:\\.|[^"\\])*"?'
_FLAGS = re.IGNORECASE | re.DOTALL
_NETWORK = rb"CW[JS]AP(?:_CUR|_DEF)?"
"""The suffixes are those of another code base, the NonOS firmware (at-dialects 1.1)."""
_COMMAND = re.compile(rb"(AT\+" + _NETWORK + rb"=" + _TEXT + rb",).+", _FLAGS)
_SHOWN_AGAIN = rb"CWJEAP(?:_CUR|_DEF)?|CIPSSLCPSK(?:HEX)?|MQTTUSERCFG"
"""What a query shows, key and all."""
_WHOLE = re.compile(
    rb"((?:AT)?\+(?:" + _SHOWN_AGAIN + rb")[=:]"
    rb"|AT\+(?:" + _NETWORK + rb"=(?!\")"
    rb"|(?:CWSTARTSMART|SYSMFG|MQTT(?:LONG)?PASSWORD|BLEKEYREPLY|HTTPC(?:LIENT|GET|POST|PUT)|WSOPEN)=)).*,.*",
    _FLAGS,
)
"""Keys in other places, headers of HTTP that may be one, and lines without quotes: nothing of
them is left. Source: at-dialects 6 and 7.11; documents of 4.1, MQTT, HTTP, WebSocket and BLE AT Commands."""
_SOFTAP = re.compile(
    rb'(\+CWSAP(?:_CUR|_DEF)?:".*?",)(?:(?:".*"|[*]{3})(,\d{1,2},\d{1,2}(?:,\d{1,2})?(?:,\d)?)\Z|.*)',
    re.DOTALL,
)
"""What a query of the SoftAP shows, unescaped: what may be a part of the password is hidden with it."""
_SMARTCONFIG = re.compile(rb"(password:).*", re.DOTALL)


def redacted(line: bytes) -> bytes:
    """The line with `***` for its password, if it has one.

    Of what may be a password cut in two nothing is left: a line that only looks like one loses its rest.
    """
    for pattern in (_COMMAND, _WHOLE, _SOFTAP, _SMARTCONFIG):
        match = pattern.match(line)
        if match is not None:
            rest = match[2] if match.re is _SOFTAP else None
            return match[1] + HIDDEN + (rest or b"")
    return line
