"""Docs of AT+CIPTCPOPT (kept per link id, saved with SYSSTORE=1; what is omitted is as last configured); esp-
at#908, #988 (what SO_SNDTIMEO does to sends). One socket with SO_LINGER(1,0) and SO_SNDTIMEO; later ones
without options get the same link id. Expected: they close with FIN and have no send timeout. Exit 0 if so.
"""

import socket as ss
import struct
import sys
import threading
import time

import esp32sock
from esp32sock import socket
from esp32sock.at.commands import Raw
from esp32sock.simulator import BackgroundModule, Settings

bg = BackgroundModule(Settings(profile="2.4"))
srv = ss.create_server(("127.0.0.1", 0))
got = []


def serve():
    while True:
        c, _ = srv.accept()
        d = b""
        try:
            while b := c.recv(4096):
                d += b
            got.append("FIN")
        except OSError:
            got.append("RST")


threading.Thread(target=serve, daemon=True).start()
i = esp32sock.attach(bg.path)
to = ("10.0.2.2", srv.getsockname()[1])
a = socket.socket()
a.setsockopt(ss.SOL_SOCKET, ss.SO_LINGER, struct.pack("ii", 1, 0))
a.setsockopt(ss.SOL_SOCKET, ss.SO_SNDTIMEO, struct.pack("ll", 1, 0))
a.connect(to)
a.sendall(b"one")
time.sleep(0.3)
a.close()
time.sleep(0.5)
for _ in range(5):
    b = socket.create_connection(to, timeout=5)
    b.sendall(b"x" * 20000)
    time.sleep(0.1)
    b.close()
    time.sleep(0.3)
print("first socket (asked for RST):", got[0], "; later ones:", got[1:])
print(i.execute(Raw(b"AT+CIPTCPOPT?"))[4])
esp32sock.detach()
bg.stop()
sys.exit("RST" in got[1:])
