"""A connected UDP socket hears its peer only; what a stranger sends to the same port never arrives, and never
under the peer's name. Exit 0 if so.
"""

import socket as host
import sys

import esp32sock
from esp32sock import socket

bad = 0
for profile in ("1.0", "2.0", "2.4", "4.2"):
    with esp32sock.attach(f"sim://{profile}"):
        peer, stranger = (host.socket(host.AF_INET, host.SOCK_DGRAM) for _ in "ab")
        for each in (peer, stranger):
            each.bind(("127.0.0.1", 0))
        link = socket.socket(host.AF_INET, host.SOCK_DGRAM)
        link.settimeout(2)
        link.connect(("10.0.2.2", peer.getsockname()[1]))
        link.send(b"hello")
        _, module = peer.recvfrom(100)
        stranger.sendto(b"from a stranger", module)
        peer.sendto(b"from the peer", module)
        got = []
        try:
            while True:
                got.append(link.recvfrom(100)[0])
        except OSError:
            pass
        print(profile, got)
        bad += got != [b"from the peer"]
        link.close()
sys.exit(bool(bad))
