"""An unmodified program that fetches by every kind of child that Python has; it does not know the module."""

import multiprocessing
import os
import socket
import subprocess
import sys

ADDRESS = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else None
ONE = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
    sock.sendall(sys.argv[3].encode() + b"\\n")
    print(sock.makefile().read(), end="", flush=True)
"""


def fetch(address: tuple[str, int], name: str) -> str:
    with socket.create_connection(address) as sock:
        sock.sendall(name.encode() + b"\n")
        return sock.makefile().read().strip()


def main(address: tuple[str, int]) -> None:
    print(fetch(address, "itself"), flush=True)
    pid = os.fork()
    if not pid:
        print(fetch(address, "fork"), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.apply(fetch, (address, f"pool-{method}")), flush=True)
    words = [address[0], str(address[1])]
    subprocess.run([sys.executable, "-c", ONE, *words, "subprocess"], check=True)
    subprocess.run([sys.executable, "-c", ONE, *words, "own-environment"], check=True, env={"PATH": "/bin"})
    os.execv(sys.executable, [sys.executable, "-c", ONE, *words, "exec"])


if __name__ == "__main__":
    assert ADDRESS is not None
    main(ADDRESS)
