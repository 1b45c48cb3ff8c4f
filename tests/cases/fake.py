"""A scripted ESP-AT module on a loopback TCP port, to which esp32sock attaches by socket://.

Written from at-dialects.md; every answer can be overridden by a handler(fake, line) -> bytes | None.
"""

import re
import socket as so
import threading
import time

GMR = {
    "2.0": (
        b"AT version:2.0.0.0(e44648c - Nov  4 2019 02:18:57)\r\n"
        b"SDK version:v3.3\r\n"
        b"compile time(7cac7ad):Nov  4 2019 06:11:40\r\n"
        b"Bin version:2.0.0(WROOM-32)\r\n"
    ),
    "2.4": (
        b"AT version:2.4.0.0(4c6eb5e - ESP32 - May 20 2022 03:12:58)\r\n"
        b"SDK version:qa-test-v4.3.3-20220423\r\n"
        b"compile time(5f1e3b3):May 20 2022 08:01:39\r\n"
        b"Bin version:2.4.0(WROOM-32)\r\n"
    ),
    "4.1": (
        b"AT version:4.1.1.0(ba4dd0e - ESP32 - Jul 31 2025 08:38:07)\r\n"
        b"SDK version:v5.4.1-643-g8ad0d3d8f2-dirty\r\n"
        b"compile time(7c092f9a):Aug  1 2025 05:35:19\r\n"
        b"Bin version:v4.1.1.0(WROOM-32)\r\n"
    ),
}
OK = b"\r\nOK\r\n"
ERROR = b"\r\nERROR\r\n"
BUSY = b"\r\nbusy p...\r\n"


class Fake:
    def __init__(self, version="2.4", handlers=None, ip=b"192.168.1.50"):
        self.version, self.ip = version, ip
        self.handlers = list(handlers or [])  # (regex bytes, function(fake, line, match) -> bytes/None/False)
        self.mux = 0
        self.echo = True
        self.open = {}  # link -> (type, host, port): what CIPSTATE and CIPSTATUS list
        self.sent = {}  # link -> bytes got in data phases
        self.log = []  # (t, 'H>M'|'M>H', bytes)
        self.t0 = time.monotonic()
        self.data = None  # (link, n, buffer) in a data phase
        self.raw = None  # function(fake, bytes) that swallows everything
        self.passive = {}  # link -> bytearray waiting
        self.lock = threading.RLock()
        self.conn = None
        self.srv = so.create_server(("127.0.0.1", 0))
        self.port = self.srv.getsockname()[1]
        self.url = f"socket://127.0.0.1:{self.port}"
        self.alive = True
        self.lines = []
        threading.Thread(target=self._run, daemon=True).start()

    # ---- wire
    def say(self, data, pause=0.0):
        if pause:
            time.sleep(pause)
        with self.lock:
            self.log.append((time.monotonic() - self.t0, "M>H", bytes(data)))
            try:
                self.conn.sendall(data)
            except OSError:
                pass

    def later(self, seconds, data_or_fn):
        def go():
            time.sleep(seconds)
            data_or_fn() if callable(data_or_fn) else self.say(data_or_fn)

        threading.Thread(target=go, daemon=True).start()

    def trace(self):
        return "\n".join(f"{t:8.3f} {d} {b!r}" for t, d, b in self.log)

    def on(self, pattern, fn):
        self.handlers.insert(0, (pattern, fn))

    def _run(self):
        while self.alive:
            try:
                self.conn, _ = self.srv.accept()
            except OSError:
                return
            self.conn.setsockopt(so.IPPROTO_TCP, so.TCP_NODELAY, 1)
            buf = bytearray()
            while True:
                try:
                    d = self.conn.recv(65536)
                except OSError:
                    break
                if not d:
                    break
                self.log.append((time.monotonic() - self.t0, "H>M", bytes(d)))
                if self.raw is not None:
                    self.raw(self, bytes(d))
                    continue
                buf += d
                self._eat(buf)

    def _eat(self, buf):
        while buf:
            if self.raw is not None:
                self.raw(self, bytes(buf))
                buf.clear()
                return
            if self.data is not None:
                link, n, got = self.data
                if bytes(buf) == b"+++" and not got and n != 3:
                    buf.clear()
                    self.data = None
                    self.say(b"\r\nSEND Canceled\r\n")
                    return
                take = min(n - len(got), len(buf))
                got += buf[:take]
                del buf[:take]
                if len(got) == n:
                    self.data = None
                    self.payload(link, bytes(got))
                continue
            i = buf.find(b"\r\n")
            if i < 0:
                return
            line = bytes(buf[:i])
            del buf[: i + 2]
            if not line.strip(b"+"):
                self.say(ERROR)  # an empty line, or +++ outside of any mode
            else:
                self._line(line)

    def payload(self, link, data):
        self.sent[link] = self.sent.get(link, b"") + data
        for pat, fn in self.handlers:
            if pat == b"PAYLOAD":
                if fn(self, data, link) is not False:
                    return
        self.say(b"\r\nRecv %d bytes\r\n" % len(data) + b"\r\nSEND OK\r\n")

    def _line(self, line):
        self.lines.append(line)
        if self.echo:
            self.say(line + b"\r\n")
        for pat, fn in self.handlers:
            if pat == b"PAYLOAD":
                continue
            m = re.fullmatch(pat, line)
            if m:
                out = fn(self, line, m)
                if out is False:
                    continue
                if out:
                    self.say(out)
                return
        out = self.default(line)
        if out:
            self.say(out)

    def default(self, line):
        L = line.upper()
        if L in (
            b"AT",
            b"AT+CIPMODE=0",
            b"AT+SYSSTORE=0",
            b"AT+CIPDINFO=0",
            b"AT+CIPDINFO=1",
            b"AT+SYSLOG=1",
        ):
            return OK
        if L in (b"ATE0", b"ATE1"):
            self.echo = L == b"ATE1"
            return OK
        if L == b"AT+GMR":
            return GMR[self.version] + OK
        if L == b"AT+CIPMODE?":
            return b"+CIPMODE:0\r\n" + OK
        if L == b"AT+CIPMUX?":
            return b"+CIPMUX:%d\r\n" % self.mux + OK
        if L.startswith(b"AT+CIPMUX="):
            self.mux = int(L[-1:])
            return OK
        if L.startswith(b"AT+CIPCLOSE=5"):
            self.open.clear()
            return OK
        m = re.fullmatch(rb"AT\+CIPCLOSE=(\d)", L)
        if m:
            if self.open.pop(m[1], None) is None:
                return ERROR
            return m[1] + b",CLOSED\r\n" + OK
        if L.startswith(b"AT+CIPSERVER"):
            return OK
        if L == b"AT+CIFSR":
            return b'+CIFSR:STAIP,"%s"\r\n+CIFSR:STAMAC,"24:0a:c4:00:00:01"\r\n' % self.ip + OK
        if L == b"AT+CIPSTA?":
            return (
                b'+CIPSTA:ip:"%s"\r\n+CIPSTA:gateway:"192.168.1.1"\r\n+CIPSTA:netmask:"255.255.255.0"\r\n'
                % self.ip
                + OK
            )
        if L == b"AT+CWMODE?":
            return b"+CWMODE:1\r\n" + OK
        if L == b"AT+CWJAP?":
            return b'+CWJAP:"attic","24:0a:c4:00:00:02",6,-48,0,1,3,0,1\r\n' + OK
        if L == b"AT+CWSTATE?":
            return b'+CWSTATE:2,"attic"\r\n' + OK
        if L == b"AT+CIPRECVMODE?":
            return b"+CIPRECVMODE:0\r\n" + OK
        if L.startswith(
            (
                b"AT+CIPRECVMODE=",
                b"AT+CIPRECVTYPE=",
                b"AT+CIPTCPOPT=",
                b"AT+CIPSTO=",
                b"AT+CIPSERVERMAXCONN=",
                b"AT+SYSMSG=",
            )
        ):
            return OK
        m = re.fullmatch(rb'AT\+CIPSTART=(\d),"(\w+)","([^"]*)",(\d+).*', line)
        if m:
            if m[1] in self.open:
                return ERROR
            self.open[m[1]] = (m[2], m[3], m[4])
            return m[1] + b",CONNECT\r\n" + OK
        m = re.fullmatch(rb"AT\+CIPSEND=(\d),(\d+)(,.*)?", L)
        if m:
            self.data = (int(m[1]), int(m[2]), bytearray())
            return OK + b"\r\n>"
        if L.startswith(b"AT+CIPDOMAIN="):
            return b'+CIPDOMAIN:"93.184.216.34"\r\n' + OK
        if L == b"AT+CIPSTATUS":
            return (b"STATUS:3\r\n" if self.open else b"STATUS:2\r\n") + self._links(b"+CIPSTATUS") + OK
        if L == b"AT+CIPSTATE?":
            return ERROR if self.version == "2.0" else self._links(b"+CIPSTATE") + OK
        if L == b"AT+RST":
            self.echo = True
            self.mux = 0
            self.open.clear()
            self.later(0.3, b"\r\nready\r\n")
            return OK
        return ERROR

    def _links(self, word):
        return b"".join(
            word + b':%s,"%s","%s",%s,%d,0\r\n' % (n, *peer, 50000 + int(n))
            for n, peer in sorted(self.open.items())
        )

    def close(self):
        self.alive = False
        for s in (self.conn, self.srv):
            try:
                s.close()
            except Exception:
                pass
