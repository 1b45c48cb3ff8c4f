"""Docs of AT+CIPTCPOPT: <keep_alive> is the same setting as that of AT+CIPSTART, the later of the two counts,
and one that is omitted stays as it was. Dialogue with the simulator 4.1. Expected: +CIPTCPOPT shows 30
after CIPSTART=0,...,30, and still after a CIPSTART without it. Exit 0 if so.
"""

import socket as ss
import sys
import threading

import serial

serial.protocol_handler_packages.append("esp32sock.simulator")
srv = ss.create_server(("127.0.0.1", 0))
keep = []
threading.Thread(target=lambda: [keep.append(srv.accept()) for _ in range(9)], daemon=True).start()
p = srv.getsockname()[1]
with serial.serial_for_url("sim://4.1", 115200, timeout=3) as s:

    def ask(line):
        s.write(line + b"\r\n")
        o = b""
        while not o.endswith((b"OK\r\n", b"ERROR\r\n")):
            c = s.read(1)
            if not c:
                break
            o += c
        return o

    ask(b"ATE0")
    ask(b"AT+CIPMUX=1")
    ask(b'AT+CIPSTART=0,"TCP","10.0.2.2",%d,30' % p)
    a = ask(b"AT+CIPTCPOPT?").split(b"\r\n")[0]
    ask(b"AT+CIPCLOSE=0")
    ask(b'AT+CIPSTART=0,"TCP","10.0.2.2",%d' % p)
    b = ask(b"AT+CIPTCPOPT?").split(b"\r\n")[0]
print(a, b)
sys.exit(not (a.endswith(b",30") and b.endswith(b",30")))
