"""Calls a few procedures over XML-RPC on one connection."""

import sys
from xmlrpc.client import Fault, MultiCall, ServerProxy

with ServerProxy(f"http://{sys.argv[1]}:{sys.argv[2]}/", allow_none=True) as server:
    print(server.pow(3, 4), len(str(server.repeat("x" * 100, 100))))
    together = MultiCall(server)
    together.pow(2, 5)
    together.repeat("ab", 2)
    print(list(together()))
    try:
        server.fail()
    except Fault as fault:
        print(fault.faultCode)
