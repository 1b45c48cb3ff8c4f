"""A requests session over one kept-alive connection: pages, a download, an upload. Argument: the base URL."""

import hashlib
import sys
import time

import requests


def pages(session: requests.Session, base: str) -> None:
    started = time.perf_counter()
    bodies = [session.get(f"{base}/page", timeout=60).content for _ in range(5)]
    seconds = time.perf_counter() - started
    body = b"".join(bodies)
    wanted = hashlib.sha256(bodies[0] * 5).hexdigest()
    print(
        "requests: 5 pages, one connection",
        len(body),
        seconds,
        hashlib.sha256(body).hexdigest(),
        wanted,
        sep="\t",
    )


def download(session: requests.Session, base: str) -> None:
    started = time.perf_counter()
    answer = session.get(f"{base}/bytes/200000", timeout=60)
    seconds = time.perf_counter() - started
    sha256 = hashlib.sha256(answer.content).hexdigest()
    print("requests: download", len(answer.content), seconds, sha256, answer.headers["X-SHA256"], sep="\t")


def upload(session: requests.Session, base: str) -> None:
    body = bytes(i * 31 & 255 for i in range(100_000))
    started = time.perf_counter()
    answer = session.post(f"{base}/upload", data=body, timeout=60)
    seconds = time.perf_counter() - started
    print("requests: upload", len(body), seconds, hashlib.sha256(body).hexdigest(), answer.text, sep="\t")


def main(base: str) -> None:
    with requests.Session() as session:
        pages(session, base)
        download(session, base)
        upload(session, base)


if __name__ == "__main__":
    main(sys.argv[1])
