"""shutdown(SHUT_WR), then a reader that pauses longer than half_close_s: everything that the peer sent must
still arrive, or the socket gets an error. Today: the rest is discarded and a clean end of stream follows.
Argument: profile. Exit 0 if right.
"""

import socket as host
import sys
import threading
import time

import esp32sock
from esp32sock import socket

SENT = 200_000
interface = esp32sock.attach("sim://" + (sys.argv[1] if len(sys.argv) > 1 else "2.4"), half_close_s=3)
server = host.create_server(("127.0.0.1", 0))


def serve():
    peer, _ = server.accept()
    peer.recv(100)
    peer.sendall(bytes(SENT))
    peer.close()


threading.Thread(target=serve, daemon=True).start()
link = socket.create_connection(("10.0.2.2", server.getsockname()[1]), 20)
link.sendall(b"all of it")
link.shutdown(host.SHUT_WR)
count, told = len(link.recv(4096)), False
time.sleep(5)
try:
    while data := link.recv(65536):
        count += len(data)
except OSError as error:
    told = True
    print(repr(error))
print("received", count, "of", SENT)
esp32sock.detach()
sys.exit(not (count == SENT or told))
