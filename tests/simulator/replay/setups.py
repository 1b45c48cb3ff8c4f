"""What a capture presupposes and does not show: the lines that lead to the state in which a section begins.

Keyed by capture and by the line of the section's heading (1 is the text before the first heading). They are
written before the section is played, and what the module answers to them is compared with nothing.
"""

from __future__ import annotations

_JOIN = (b"AT+CWMODE=1\r\n", b'AT+CWJAP="Espressif",""\r\n')
_TWO_LINKS = (b'AT+CIPSTART=0,"TCP","10.0.2.2",7000\r\n', b'AT+CIPSTART=1,"TCP","10.0.2.2",7000\r\n')

SETUPS: dict[str, dict[int, tuple[bytes, ...]]] = {
    # "joined, no link, CIPMUX=1" and "SoftAP mode, CIPMUX=1" were made by sections that are not in the file.
    "esp-at-v2.0-sweep": {
        3402: (*_JOIN, b"AT+CIPMUX=1\r\n"),
        3477: (b"AT+CIPMUX=1\r\n",),
    },
    # Sections between these and the ones before, which are not in the file, closed or opened links.
    "esp-at-v201712-sweep": {
        2525: (b"AT+CIPCLOSE=5\r\n",),
        2559: (b"AT+CIPCLOSE\r\n",),
        3387: _TWO_LINKS,
        3528: (b"AT+CIPCLOSE=3\r\n", b"AT+CIPCLOSE=4\r\n"),
    },
    # CIPDNS? has the server of a network joined by command, and CIPTCPOPT? a keep-alive of 60, though
    # CIPSTATUS says that no link was open.
    "esp-at-v4.1dev-basic": {1: (*_JOIN, b'AT+CIPSTART="TCP","10.0.2.2",7999,60\r\n')},
    # The first CIPSTATUS says 4.
    "esp-at-v4.1dev-tcp-single": {1: (b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n', b"AT+CIPCLOSE\r\n")},
}
