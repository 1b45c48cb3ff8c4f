"""The TCP/IP part of the ESP8266's profiles; esp8266.py says from which sources."""

from __future__ import annotations

from dataclasses import replace

from esp32sock.simulator.profiles.basic import changed
from esp32sock.simulator.profiles.tcpip import COMMANDS, TCPIP, TcpIp

NONOS = "nonos-1.7"
ESP8266_2_2, ESP8266_2_3 = "esp8266-2.2", "esp8266-2.3"

_WORDS = {
    "not open": "link is not valid",
    "not closed": "UNLINK",
    "kind": "Link typ ERROR",
    "name": "DNS Fail",
    "served": "no change",
    "mux": "link is builded",
}
"""The line before ERROR, or before the OK of a second server (at-dialects 1.1 and 3.5)."""

_NONOS = replace(
    TCPIP["0.10"],
    words=_WORDS,
    server_ssl=False,
    sntp_forms="enable",
    ping_answer="+{milliseconds}",
    late_send_ok=True,
    closed_length=0,
    received_separator=":",
    stalls=False,
    empty_name_crashes=False,
    empty_sendex_hangs=False,
    close_minus_one_crashes=False,
    passthrough_ends_mode=False,
    minus_one_link=False,
    short_addresses=False,
)
_2_2 = replace(TCPIP["2.2"], ssl_links=1, server_ssl=False)

ESP8266_TCPIP: dict[str, TcpIp] = {
    NONOS: _NONOS,
    ESP8266_2_2: _2_2,
    ESP8266_2_3: replace(_2_2, passthrough_server=True),
}

_NONOS_COMMANDS = changed(
    COMMANDS["0.10"],
    "CIPSSLSIZE:s CIPRECVMODE:qs CIPRECVDATA:s CIPRECVLEN:q PING:s CIPSERVERMAXCONN:qs CIPSSLCCONF:qs "
    "CIPDNS_CUR:qs CIPDNS_DEF:qs",
)
_2_2_COMMANDS = changed(COMMANDS["2.2"], "", removed="CIPSSLCPSK")

ESP8266_COMMANDS: dict[str, dict[str, str]] = {
    NONOS: _NONOS_COMMANDS,
    ESP8266_2_2: _2_2_COMMANDS,
    ESP8266_2_3: changed(_2_2_COMMANDS, "CIPSTATE:q"),
}
