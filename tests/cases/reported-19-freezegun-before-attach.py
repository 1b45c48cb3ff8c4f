"""freezegun#437, #383, #384, #230: frozen monotonic clocks (fixture freezer before fixture esp32): attach()
never comes back. Expected: attached (the engine keeps the real clock). Argument: library, when. Exit 0 if
so.
"""

import sys

sys.argv += ["freezegun", "before"][len(sys.argv) - 1 :]
import faulthandler
import socket as ss
import sys
import threading
import time

faulthandler.dump_traceback_later(20, exit=True)
import freezegun
import time_machine

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Settings

realmono = time.monotonic
lib = sys.argv[1]
when = sys.argv[2]
srv = ss.create_server(("127.0.0.1", 0))
port = srv.getsockname()[1]


def serve():
    while True:
        c, _ = srv.accept()

        def go(c=c):
            while d := c.recv(100):
                c.sendall(b"re:" + d)

        threading.Thread(target=go, daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
frz = (
    (lambda: freezegun.freeze_time("2024-01-01"))
    if lib == "freezegun"
    else (lambda: time_machine.travel("2024-01-01", tick=False))
)


def use(tag):
    t = realmono()
    with socket.create_connection(("10.0.2.2", port), timeout=5) as s:
        s.sendall(b"hi")
        r = s.recv(10)
    t1 = realmono()
    try:
        s = socket.create_connection(("10.0.2.2", port), timeout=1.5)
        s.recv(1)
        r2 = "?"
    except OSError as e:
        r2 = repr(e)
    print(tag, r, round(t1 - t, 2), "timeout:", r2, round(realmono() - t1, 2), flush=True)


if when == "during":
    bg = BackgroundModule(Settings(profile="2.4"))
    esp32sock.attach(bg.path)
    with frz():
        use("frozen while attached")
else:
    with frz():
        bg = BackgroundModule(Settings(profile="2.4"))
        print("module up", flush=True)
        t = realmono()
        esp32sock.attach(bg.path)
        print("attached in frozen time", round(realmono() - t, 2), flush=True)
        use("frozen before attach")
use("after")
esp32sock.detach()
bg.stop()
print("done")
