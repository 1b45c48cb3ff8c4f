"""`esp32sock get URL -o DEVICE` must write into a device or FIFO, as curl does, never put a regular file in
its place (as root, -o /dev/null destroys the real one). A FIFO stands in for the device. Exit 0 if the
FIFO is still one and the page came through it.
"""

import http.server
import os
import stat
import subprocess
import sys
import tempfile
import threading

path = os.path.join(tempfile.mkdtemp(), "fifo")
os.mkfifo(path)
got = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Thread(target=lambda: got.append(open(path, "rb").read()), daemon=True).start()
command = [
    sys.executable,
    "-m",
    "esp32sock",
    "get",
    f"http://10.0.2.2:{server.server_port}/",
    "-o",
    path,
    "--port",
    "sim://",
]
done = subprocess.run(command, capture_output=True, text=True, timeout=60)
still = stat.S_ISFIFO(os.stat(path).st_mode)
print("exit", done.returncode, "still a FIFO:", still, "read through it:", got)
sys.exit(not (still and got == [b"ok"]))
