"""zephyr#26873 (unexpected reset with work waiting): connections that wait for their turn when the module
restarts go out before it is set up (CIPMUX=0): ERROR. Own simulator. Expected: those not begun yet are
opened after the set-up; only the one in flight may fail. Exit 0 if so.
"""

import socket as ss
import sys
import threading
import time

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Settings

bg = BackgroundModule(Settings(profile="2.4", faults="connect-delay=1"))
srv = ss.create_server(("127.0.0.1", 0))


def serve():
    while True:
        c, _ = srv.accept()
        c.sendall(b"hello")


threading.Thread(target=serve, daemon=True).start()
i = esp32sock.attach(bg.path, ssid="Espressif") if 0 else esp32sock.attach(bg.path)
res = {}


def go(k):
    t = time.monotonic()
    try:
        s = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=20)
        res[k] = ("open", s.recv(5), round(time.monotonic() - t, 2))
        s.close()
    except OSError as e:
        res[k] = (repr(e), round(time.monotonic() - t, 2))


ts = [threading.Thread(target=go, args=(k,)) for k in range(3)]
for th in ts:
    th.start()
    time.sleep(0.1)
bg.controls.restart()
for th in ts:
    th.join()
for k in sorted(res):
    print(k, res[k])
esp32sock.detach()
bg.stop()
sys.exit(0 if all(r[0] == "open" for k, r in res.items() if k) else 1)
