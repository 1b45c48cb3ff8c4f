"""Fetch a URL with the standard library and say what came: status, length, SHA-256.

python fetch.py http://example.org/
"""

import hashlib
import sys
import urllib.request


def main(url: str) -> None:
    with urllib.request.urlopen(url, timeout=60) as response:
        body = response.read()
    print(response.status, len(body), hashlib.sha256(body).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
