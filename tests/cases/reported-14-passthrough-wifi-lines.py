"""esp-at#844, esp-at#405, FAQ "can passthrough mode notify hotspot disconnection", docs SYSMSG bit 2: with
on_link= the module also prints WIFI DISCONNECT, WIFI CONNECTED, WIFI GOT IP amid the payload. Own
simulator. Today: the payload has WIFI DIS..., and on_link hears True from "WIFI DISCONNECT". Exit 0 if
payload only.
"""

import socket as ss
import sys
import threading
import time

from esp32sock.net.passthrough import passthrough
from esp32sock.simulator import BackgroundModule, Settings, TextTrace

lines = []
bg = BackgroundModule(
    Settings(profile=sys.argv[1] if len(sys.argv) > 1 else "4.1"), observers=(TextTrace(lines.append),)
)
srv = ss.create_server(("127.0.0.1", 0))


def serve():
    while True:
        c, _ = srv.accept()
        c.sendall(b"[payload]")


threading.Thread(target=serve, daemon=True).start()
heard = []
with passthrough("10.0.2.2", srv.getsockname()[1], url=bg.path, on_link=heard.append) as c:
    c.settimeout(6)
    time.sleep(0.5)
    bg.controls.disable_ap()
    time.sleep(1)
    bg.controls.enable_ap()
    time.sleep(4)
    d = b""
    try:
        while True:
            c.settimeout(1)
            d += c.recv(1000)
    except OSError:
        pass
print("payload", d, "links", heard)
print("\n".join(x for x in lines if "WIFI" in x or "CLOSED" in x or "CONNECT" in x))
bg.stop()
# The link was lost and opened again once: False, then True; nothing else may be reported, and the payload
# came twice.
sys.exit(0 if d.replace(b"[payload]", b"") == b"" and d and heard in ([], [False], [False, True]) else 1)
