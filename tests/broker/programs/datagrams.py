"""An unmodified program whose children are handed its UDP sockets: connected, bound, and both."""

import socket
import subprocess
import sys

PEER = (sys.argv[1], int(sys.argv[2]))
CHILD = """
import socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
sock.settimeout(60)
how, peer = sys.argv[2], (sys.argv[3], int(sys.argv[4]))
assert sock.type == socket.SOCK_DGRAM
if how == "bound":
    sock.sendto(how.encode(), peer)
else:
    assert sock.getpeername() == peer, sock.getpeername()
    sock.send(how.encode())
data, sender = sock.recvfrom(100)
assert sender == peer, sender
print(data.decode(), sock.getsockname()[1] == int(sys.argv[5]), flush=True)
"""


def handed(sock: socket.socket, how: str) -> None:
    words = [
        sys.executable,
        "-c",
        CHILD,
        str(sock.fileno()),
        how,
        *map(str, PEER),
        str(sock.getsockname()[1]),
    ]
    subprocess.run(words, check=True, pass_fds=[sock.fileno()])


def main() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(PEER)
        handed(sock, "connected")
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        handed(sock, "bound")
        sock.connect(PEER)
        handed(sock, "bound and connected")


if __name__ == "__main__":
    main()
