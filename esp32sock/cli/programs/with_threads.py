"""Two downloads at the same time, in two threads. Argument: the server's base URL."""

import hashlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen


def download(name: str, base: str) -> str:
    started = time.perf_counter()
    with urlopen(f"{base}/bytes/40000", timeout=60) as response:
        body = response.read()
    seconds = time.perf_counter() - started
    sha256 = hashlib.sha256(body).hexdigest()
    line = (f"{name} of two threads", len(body), seconds, sha256, response.headers["X-SHA256"])
    return "\t".join(map(str, line))


def main(base: str) -> None:
    with ThreadPoolExecutor() as threads:
        for line in threads.map(download, ("one", "the other"), (base, base)):
            print(line)


if __name__ == "__main__":
    main(sys.argv[1])
