"""Explicit use: the sockets of this file go through the module, nothing else in the process is touched.

python explicit.py sim:// 10.0.2.2 8000      a server on this machine, seen from the simulated module
python explicit.py /dev/ttyUSB0 example.org 80
"""

import sys

import esp32sock
from esp32sock import socket


def main(port_url: str, host: str, port: str) -> None:
    interface = esp32sock.attach(port_url)  # ssid= and password= join a network first
    try:
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            print("from", connection.getsockname(), "to", connection.getpeername())
            connection.sendall(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                for line in answer:
                    sys.stdout.buffer.write(line)
        print(interface.stats())
    finally:
        esp32sock.detach()


if __name__ == "__main__":
    main(*sys.argv[1:])
