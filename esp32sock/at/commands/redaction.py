"""Taking passwords out of what is shown: of command lines, and of what the module prints by itself."""

from __future__ import annotations

import re

HIDDEN = b"***"

_TEXT = rb'"(?:\\.|[^"\\])*"?'
_COMMAND = re.compile(rb"(AT\+(?:CWJAP|CWSAP)=" + _TEXT + rb",).+", re.IGNORECASE | re.DOTALL)
_WHOLE = re.compile(
    rb"(AT\+(?:(?:CWJAP|CWSAP)=(?!\")"
    rb"|(?:CWJEAP|CWSTARTSMART|CIPSSLCPSK(?:HEX)?|SYSMFG|MQTT(?:USERCFG|(?:LONG)?PASSWORD))=)).*,.*",
    re.IGNORECASE | re.DOTALL,
)
"""Keys in other places, and lines that somebody did not quote: nothing of them is left."""
_SOFTAP = re.compile(rb'(\+CWSAP:".*",)".*"(,\d{1,2},\d{1,2}(?:,\d{1,2})?(?:,\d)?)', re.DOTALL)
_SMARTCONFIG = re.compile(rb"(password:).*", re.DOTALL)


def redacted(line: bytes) -> bytes:
    """The line with `***` for its password, if it has one.

    Of what may be a password cut in two nothing is left: a line that only looks like one loses its rest.
    """
    for pattern in (_COMMAND, _WHOLE, _SOFTAP, _SMARTCONFIG):
        match = pattern.match(line)
        if match is not None:
            rest = match[2] if match.re is _SOFTAP else b""
            return match[1] + HIDDEN + rest
    return line
