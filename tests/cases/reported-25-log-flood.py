"""pyserial#68, brewpi/fermentrack#260 kind (endless messages when the device is gone): a port that is away
for long gives two warnings a second. Expected: said once, or ever more rarely (docs: opened again as soon
as it is back). Exit 0 if fewer than 6 in 10 s.
"""

import logging
import socket
import sys
import time

from fake import Fake

import esp32sock

n = []


class H(logging.Handler):
    def emit(self, r):
        n.append(r.getMessage())


logging.getLogger("esp32sock").addHandler(H())
logging.getLogger("esp32sock").propagate = False
f = Fake("2.4")
i = esp32sock.attach(f.url)
f.srv.close()
f.conn.shutdown(socket.SHUT_RDWR)
f.conn.close()
time.sleep(10)
print(len(n), "messages in 10 s:", n[-1][:100])
esp32sock.detach()
sys.exit(len(n) >= 6)
