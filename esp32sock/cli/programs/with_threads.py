"""Two downloads at the same time, in two threads. Argument: the server's base URL."""

import hashlib
import sys
import threading
import time
from urllib.request import urlopen


def download(name: str, base: str) -> None:
    started = time.perf_counter()
    with urlopen(f"{base}/bytes/40000", timeout=60) as response:
        body = response.read()
    seconds = time.perf_counter() - started
    sha256 = hashlib.sha256(body).hexdigest()
    line = (f"{name} of two threads", len(body), seconds, sha256, response.headers["X-SHA256"])
    print("\t".join(map(str, line)) + "\n", end="")


def main(base: str) -> None:
    names = ("one", "the other")
    threads = [threading.Thread(target=download, args=(name, base)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
