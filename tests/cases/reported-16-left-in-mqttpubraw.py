"""esp-at#1027: a data phase of AT+MQTTPUBRAW (4000 bytes) left by a program that died; +++ does not end it,
the missing bytes do. Expected: attach() feeds it until the module answers (as it does for its own
CIPSEND), or says that it may be in a data phase. Exit 0 if attached.
"""

import sys
import time

from fake import Fake

import esp32sock

f = Fake("4.1")
N = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
left = [N]


def raw(fk, d):
    if left[0] > len(d):
        left[0] -= len(d)
        return
    rest = d[left[0] :]
    left[0] = 0
    fk.raw = None
    fk.say(b"\r\n+MQTTPUB:OK\r\n")
    if rest.strip():
        fk._eat(bytearray(rest))


f.raw = raw
t = time.monotonic()
try:
    i = esp32sock.attach(f.url)
    print("attached", round(time.monotonic() - t, 1))
    rc = 0
    esp32sock.detach()
except Exception as e:
    print("FAILED after", round(time.monotonic() - t, 1), repr(e))
    rc = 1
print("bytes of the data phase still missing:", left[0])
print(f.trace()[-900:])
sys.exit(rc)
