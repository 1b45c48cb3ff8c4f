"""esp-at#184: (older firmware) no WIFI DISCONNECT when the access point dies; CIFSR says 0.0.0.0, CIPSTART
says ERROR. Expected: ENETUNREACH (docs/limits: the module has no Wi-Fi) and status() without an address,
after a look; today ECONNREFUSED for ever. Exit 0 if so.
"""

import sys

from fake import ERROR, OK, Fake

import esp32sock
from esp32sock import socket

f = Fake("2.0")
i = esp32sock.attach(f.url)
lost = [False]
f.on(rb"AT\+CIPSTART=\d,.*", lambda fk, line, m: ERROR if lost[0] else False)
f.on(
    rb"AT\+CIFSR",
    lambda fk, line, m: (
        b'+CIFSR:STAIP,"0.0.0.0"\r\n+CIFSR:STAMAC,"24:0a:c4:00:00:01"\r\n' + OK if lost[0] else False
    ),
)
f.on(rb"AT\+CWJAP\?", lambda fk, line, m: OK if lost[0] else False)
lost[0] = True
for _ in range(2):
    try:
        socket.create_connection(("93.184.216.34", 80), timeout=5)
        r = "open"
    except OSError as e:
        r = repr(e)
    print(r, i.status().station_ip)
address = i.status().station_ip
esp32sock.detach()
sys.exit(0 if "unreachable" in r.lower() and address is None else 1)
