"""Fetch a page over HTTPS with requests; this machine does TLS.

python https_get.py        with the port in ESP32SOCK_PORT
"""

import requests

import esp32sock
from esp32sock.shims.requests import ModuleAdapter

esp32sock.attach()
with requests.Session() as session:
    session.mount("https://", ModuleAdapter())
    answer = session.get("https://example.org/", timeout=60)
print(answer.status_code, len(answer.content), "bytes")
