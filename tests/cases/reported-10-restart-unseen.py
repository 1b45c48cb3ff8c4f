"""WiFiEspAT PR 43 (the module rebooted while connecting; only the echo that is on again shows it), lwesp#39:
a restart whose "ready" is not seen. Own simulator: the line is dead while it restarts, then healthy. Echo
is back, CIPMUX=0 on the module. Expected: connections work again within 20 s. Exit 0 if so.
"""

import socket as ss
import sys
import threading
import time

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Settings, TextTrace

lines = []
bg = BackgroundModule(Settings(profile="2.4"), observers=(TextTrace(lines.append),))
srv = ss.create_server(("127.0.0.1", 0))


def serve():
    while True:
        c, _ = srv.accept()
        c.sendall(b"hello")


threading.Thread(target=serve, daemon=True).start()
i = esp32sock.attach(bg.path)
s = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
print(s.recv(5))
bg.controls.inject("drop-down:1")
bg.controls.restart()
time.sleep(6)
bg.controls.clear_faults()
t0 = time.monotonic()
r = None
for _ in range(10):
    try:
        n = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
        r = n.recv(5)
        n.close()
        break
    except OSError as e:
        r = repr(e)
        time.sleep(2)
took = time.monotonic() - t0
print("new connections:", r, round(took, 1), i.stats()["restarts"] if "restarts" in i.stats() else i.stats())
print("\n".join(lines[-16:]))
esp32sock.detach()
bg.stop()
sys.exit(0 if r == b"hello" and took < 20 else 1)
