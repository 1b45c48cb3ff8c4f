"""esp-at#254: received data announced but never delivered: the module was left in passive receive
(AT+CIPRECVMODE=1) by who used it before. Own simulator, 2.4: attach(receive="passive"), detach, attach().
Expected: recv gives the data. Argument own: the first user is attach(receive=passive). Exit 0 if so.
"""

import socket as ss
import sys
import threading
import time

import serial

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Settings

V = sys.argv[1] if len(sys.argv) > 1 else "2.4"
how = sys.argv[2] if len(sys.argv) > 2 else "own"
bg = BackgroundModule(Settings(profile=V))
if how == "own":
    with esp32sock.attach(bg.path, receive="passive") as i:
        pass
else:
    with serial.Serial(bg.path, 115200, timeout=1) as s:
        s.write(b"AT+CIPMUX=1\r\n")
        s.read_until(b"OK\r\n")
        s.write(b"AT+CIPRECVMODE=1\r\n")
        print(s.read_until(b"OK\r\n"))
srv = ss.create_server(("127.0.0.1", 0))


def serve():
    c, _ = srv.accept()
    c.sendall(b"hello")
    time.sleep(3)
    c.close()


threading.Thread(target=serve, daemon=True).start()
i = esp32sock.attach(bg.path)
s = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
try:
    r = s.recv(10)
except OSError as e:
    r = repr(e)
print(V, how, "got", r)
esp32sock.detach()
bg.stop()
sys.exit(0 if r == b"hello" else 1)
