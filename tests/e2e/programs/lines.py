"""A telnet-like dialogue: lines both ways on one connection, then all the rest until the end."""

import socket
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
with connection, connection.makefile("rw", newline="\r\n") as stream:
    print(stream.readline().strip())
    for command in ("echo hello", "count 300", "quit"):
        stream.write(f"{command}\r\n")
        stream.flush()
        answer = stream.readline().strip()
        print(command, "->", answer[:20], len(answer))
    print(repr(stream.read()))
