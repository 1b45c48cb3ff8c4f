"""esp-at#686 (log of +MQTTSUBRECV:<id>,"topic",<len>,<data>), FreeRTOS-Cellular-Interface#123, atat#33:
counted payload of other features with line ends in it. Here its data are lines like ready, 4,CLOSED,
+IPD,4,5:EVIL!. Expected: sockets unharmed (the length is announced). Exit 0 if so.
"""

import sys
import time

from fake import ERROR, Fake

import esp32sock
from esp32sock import socket

f = Fake("4.1")
f.on(rb"AT\+CIPRECVDATA=.*", lambda fk, line, m: ERROR)
i = esp32sock.attach(f.url, receive="active")
res = {}
for name, data in {
    "ready": b"x\r\nready\r\n",
    "closed": b"x\r\n%d,CLOSED\r\n",
    "ipd": b"x\r\n+IPD,%d,5:EVIL!",
    "ok": b"a\r\nOK\r\nb",
}.items():
    s = socket.create_connection(("93.184.216.34", 80), timeout=5)
    s.sendall(b"x")
    time.sleep(0.2)
    link = [int(line.split(b"=")[1][:1]) for line in f.lines if line.startswith(b"AT+CIPSTART")][-1]
    d = data % link if b"%d" in data else data
    f.say(b'+MQTTSUBRECV:0,"attic/t",%d,' % len(d) + d + b"\r\n")
    time.sleep(0.3)
    f.say(b"\r\n+IPD,%d,4:good" % link)
    try:
        r = s.recv(100)
    except OSError as e:
        r = repr(e)
    print(name, r, i.stats().get("restarts"))
    res[name] = r
    s.close()
    time.sleep(0.3)
    f.mux = 1
esp32sock.detach()
sys.exit(0 if all(r == b"good" for r in res.values()) else 1)
