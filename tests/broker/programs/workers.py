"""An unmodified server whose workers inherit its listener: by fork, and by a descriptor to another Python."""

import os
import socket
import subprocess
import sys

WORKER = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
accepted, address = listener.accept()
with accepted:
    accepted.sendall(b"%s from %s" % (sys.argv[2].encode(), accepted.recv(100)))
"""


def main(port: int, callers: int) -> None:
    listener = socket.create_server(("", port))
    fd = listener.fileno()
    workers = []
    for number in range(callers - 1):
        pid = os.fork()
        if not pid:
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"worker %d from %s" % (number, accepted.recv(100)))
            os._exit(0)
        workers.append(pid)
    started = subprocess.Popen([sys.executable, "-c", WORKER, str(fd), "started"], pass_fds=[fd])
    print("listening", flush=True)
    for pid in workers:
        os.waitpid(pid, 0)
    sys.exit(started.wait())


main(int(sys.argv[1]), int(sys.argv[2]))
