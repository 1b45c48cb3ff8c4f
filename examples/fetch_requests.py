"""Fetch URLs with requests, over one kept connection, and say what came: status, length, SHA-256.

python fetch_requests.py http://example.org/ [http://example.org/more ...]
"""

import hashlib
import sys

import requests


def main(*urls: str) -> None:
    with requests.Session() as session:
        for url in urls:
            response = session.get(url, timeout=60)
            print(response.status_code, len(response.content), hashlib.sha256(response.content).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
