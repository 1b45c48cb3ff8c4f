"""esp-at#239 (ESP32 AT 1.2), zephyr#40447 (AT 1.7): AT+CIPDNS? answers one bare address a line, two servers =
two lines. Exit 0 if so.
"""

import sys

import serial

serial.protocol_handler_packages.append("esp32sock.simulator")
bad = 0
for p in ("1.0", "1.2"):
    with serial.serial_for_url(f"sim://{p}", 115200, timeout=1) as s:

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
        print(p, ask(b'AT+CIPDNS=1,"8.8.8.8","8.8.4.4"'), r := ask(b"AT+CIPDNS?"))
        bad += r.count(b"+CIPDNS:") != 2
sys.exit(bad)
