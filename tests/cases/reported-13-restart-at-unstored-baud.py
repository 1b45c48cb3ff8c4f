"""lwesp#39, #41 (rate back at the default after a reset): uart at 921600 by UART_CUR (not stored), then a
restart by itself: ready comes at 115200. Own simulator. Today: 177 s of time-outs while a program keeps
trying (and a blocked reader hears of it only then). Expected: back within 30 s. Exit 0 if so.
"""

import socket as ss
import sys
import threading
import time
from dataclasses import replace

import esp32sock
from esp32sock import socket
from esp32sock.at.commands import basic
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
u = i.execute(basic.Uart())
i.execute(basic.SetUart(replace(u, baudrate=921600)))
print(i.execute(basic.Uart()))
s = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
print(s.recv(5))
bg.controls.restart()
time.sleep(1)
t0 = time.monotonic()
r = None
while time.monotonic() - t0 < 30:
    try:
        n = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
        r = n.recv(5)
        n.close()
        break
    except OSError as e:
        r = repr(e)[:150]
        print(round(time.monotonic() - t0, 1), r, flush=True)
        time.sleep(1)
print("back:", r, round(time.monotonic() - t0, 1))
s.settimeout(2)
try:
    print("old socket:", s.recv(5))
except OSError as e:
    print("old socket:", repr(e)[:200])
esp32sock.detach()
bg.stop()
sys.exit(0 if r == b"hello" else 1)
