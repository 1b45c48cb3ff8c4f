"""Fetches one page with urllib. Argument: the server's base URL."""

import hashlib
import sys
import time
from urllib.request import urlopen


def main(base: str) -> None:
    started = time.perf_counter()
    with urlopen(f"{base}/page", timeout=60) as response:
        body = response.read()
    seconds = time.perf_counter() - started
    sha256 = hashlib.sha256(body).hexdigest()
    print("urllib: a page", len(body), seconds, sha256, response.headers["X-SHA256"], sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
