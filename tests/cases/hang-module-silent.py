"""The module falls silent for 90 s (its process is stopped) and is back: each look-up, connect and command
that began meanwhile must end, with an error or well. Today: about half of 24 never end. Takes three
minutes. Exit 0 if all ended.
"""

import os
import signal
import socket as host
import subprocess
import sys
import tempfile
import threading
import time

import esp32sock
from esp32sock import socket
from esp32sock.at.commands import basic

path = os.path.join(tempfile.mkdtemp(), "module")
module = subprocess.Popen(
    [sys.executable, "-m", "esp32sock", "simulate", "--pty", path], stdout=subprocess.DEVNULL
)
while not os.path.exists(path):
    time.sleep(0.1)
time.sleep(0.5)
interface = esp32sock.attach(path)
server = host.create_server(("127.0.0.1", 0))
ended, names, begun = {}, [], time.monotonic()


def connect():
    socket.socket().connect(("10.0.2.2", server.getsockname()[1]))


def run(name, what):
    names.append(name)

    def go():
        start = time.monotonic()
        try:
            what()
            ended[name] = f"well after {time.monotonic() - start:.0f} s"
        except (OSError, esp32sock.Error) as error:
            ended[name] = f"{type(error).__name__} after {time.monotonic() - start:.0f} s"

    threading.Thread(target=go, daemon=True).start()


os.kill(module.pid, signal.SIGSTOP)
for n in range(8):
    run(f"look-up at {3 * n} s", lambda: socket.gethostbyname("some.host.example"))
    run(f"connect at {3 * n} s", connect)
    run(f"command at {3 * n} s", lambda: interface.execute(basic.Test()))
    time.sleep(3)
time.sleep(90 - (time.monotonic() - begun))
os.kill(module.pid, signal.SIGCONT)
latest = time.monotonic() + 60
while len(ended) < len(names) and time.monotonic() < latest:
    time.sleep(0.1)
print("never ended:", [name for name in names if name not in ended])
print(ended)
module.kill()
sys.stdout.flush()
os._exit(len(ended) != len(names))
