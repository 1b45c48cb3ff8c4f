"""Connects to each port, wrapping before and after, and says how the certificate fared."""

import socket
import ssl
import sys

host, authority = sys.argv[1], sys.argv[2]
for port in map(int, sys.argv[3:]):
    context = ssl.create_default_context(cafile=authority)
    for early in (False, True):
        plain = socket.socket() if early else socket.create_connection((host, port), timeout=30)
        try:
            plain.settimeout(30)
            with context.wrap_socket(plain, server_hostname=host) as secure:
                if early:
                    secure.connect((host, port))
                secure.sendall(b"hello")
                print("early" if early else "late", secure.recv(100), secure.getpeername() == (host, port))
        except ssl.SSLCertVerificationError as error:
            print("early" if early else "late", "refused:", error.verify_message)
