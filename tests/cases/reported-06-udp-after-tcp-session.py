"""esp-at#452, docs CIPRECVTYPE (per link, kept): session 1 does TCP on 4.1 (link 4 passive), session 2 on the
same module does UDP on link 4. Expected: the answer to the datagram arrives. Argument "4.1 active":
session 2 is attach(receive=active) and TCP. Exit 0 if so.
"""

import socket as ss
import sys
import threading
import time

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Settings

V = sys.argv[1] if len(sys.argv) > 1 else "4.1"
how = sys.argv[2] if len(sys.argv) > 2 else "udp"
bg = BackgroundModule(Settings(profile=V))
srv = ss.create_server(("127.0.0.1", 0))


def serve():
    while True:
        c, _ = srv.accept()
        c.sendall(b"hello")
        time.sleep(0.3)
        c.close()


threading.Thread(target=serve, daemon=True).start()
u = ss.socket(ss.AF_INET, ss.SOCK_DGRAM)
u.bind(("127.0.0.1", 0))


def userve():
    while True:
        d, a = u.recvfrom(2000)
        u.sendto(b"re:" + d, a)


threading.Thread(target=userve, daemon=True).start()
with esp32sock.attach(bg.path) as i:
    s = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
    print("session 1 (TCP):", s.recv(10))
    s.close()
opts = {"receive": "active"} if how == "active" else {}
rc = 1
with esp32sock.attach(bg.path, **opts) as i:
    if how == "active":
        s = socket.create_connection(("10.0.2.2", srv.getsockname()[1]), timeout=5)
        try:
            r = s.recv(10)
        except OSError as e:
            r = repr(e)
        print("session 2 (TCP, active):", r)
        rc = 0 if r == b"hello" else 1
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b"ping", ("10.0.2.2", u.getsockname()[1]))
            try:
                r = s.recvfrom(100)
            except OSError as e:
                r = repr(e)
            print("session 2 (UDP):", r)
            rc = 0 if r[0] == b"re:ping" else 1
bg.stop()
sys.exit(rc)
