"""A web server at the module's address, until Ctrl-C. Its clients are in the module's network.

python serve.py        with the port in ESP32SOCK_PORT
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import esp32sock


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"Hello {self.client_address[0]}, this is {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


interface = esp32sock.attach()
with esp32sock.patched(), ThreadingHTTPServer(("", 8080), Handler) as server:
    print(f"http://{interface.status().station_ip}:8080/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("bye")
