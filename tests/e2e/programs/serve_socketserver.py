"""An echo server of the module socketserver, until its input ends."""

import socketserver
import sys
import threading


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


with socketserver.ThreadingTCPServer(("", 0), Echo) as server:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    print("listening", server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    thread.join()
