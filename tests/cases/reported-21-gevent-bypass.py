"""gevent#1693, urllib3#1176, python-socketio#509: programs that patch themselves with gevent or eventlet.
Under `esp32sock run --direct none` their traffic must go through the module, or be refused with a message;
never by the host in silence. Loopback only. Exit 0 if so, 77 if neither library is installed.
"""

import http.server
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading

requests = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        requests.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
PROGRAM = """
import sys, urllib.request
import esp32sock
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print("status", opener.open(sys.argv[1], timeout=10).status)
print("links", esp32sock.default().stats()["links_opened"])
"""
FIRST = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
bad = tried = 0
for library, first in FIRST.items():
    if importlib.util.find_spec(library) is None:
        print(library, "is not installed")
        continue
    tried += 1
    requests.clear()
    path = os.path.join(tempfile.mkdtemp(), "program.py")
    with open(path, "w") as file:
        file.write(first + PROGRAM)
    command = [
        sys.executable,
        "-m",
        "esp32sock",
        "run",
        "--port",
        "sim://",
        "--direct",
        "none",
        path,
        f"http://127.0.0.1:{server.server_port}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    links = next((int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("links")), 0)
    through = done.returncode == 0 and links >= 1
    refused = done.returncode != 0 and bool(done.stderr.strip()) and not requests
    print(
        library,
        "links",
        links,
        "requests",
        len(requests),
        "exit",
        done.returncode,
        done.stderr.strip()[-120:],
    )
    bad += not (through or refused)
sys.exit(bad if tried else 77)
