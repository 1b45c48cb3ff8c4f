"""A UDP socket on a fixed local port, opened, used, closed and opened again at once (SIP, CoAP, BACnet, NTP
do): 30 times without an error. Exit 0 if so.
"""

import socket as host
import sys
import threading

import esp32sock
from esp32sock import socket

echo = host.socket(host.AF_INET, host.SOCK_DGRAM)
echo.bind(("127.0.0.1", 0))


def serve():
    while True:
        data, who = echo.recvfrom(2000)
        echo.sendto(data, who)


threading.Thread(target=serve, daemon=True).start()
bad = 0
with esp32sock.attach("sim://2.4"):
    for connected in (False, True):
        for _ in range(30):
            link = socket.socket(host.AF_INET, host.SOCK_DGRAM)
            link.settimeout(10)
            try:
                link.bind(("", 5060))
                if connected:
                    link.connect(("10.0.2.2", echo.getsockname()[1]))
                    link.send(bytes(48))
                else:
                    link.sendto(bytes(48), ("10.0.2.2", echo.getsockname()[1]))
                link.recv(100)
            except OSError as error:
                bad += 1
                print(error)
            link.close()
print(bad, "of 60 failed")
sys.exit(bool(bad))
