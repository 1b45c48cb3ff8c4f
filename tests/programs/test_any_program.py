"""Programs that are not Python, unmodified, over `esp32sock proxy` and `forward`: all arrives intact."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.message
import dns.query
import dns.rrset
import pytest
import trustme

from tests.broker.harness import served
from tests.cli.servers import free_port
from tests.cli.terminal import ROOT, SCENARIO
from tests.programs.tools import required

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "host.test"
"""A name that only the simulated module's name server knows; it is this machine."""
PATIENCE_S = 120
BLOB = random.Random(17).randbytes(200_000)
DIGEST = hashlib.sha256(BLOB).hexdigest()

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)


class Files(SimpleHTTPRequestHandler):
    """The files of a folder."""

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def file_server(folder: Path, context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def gateway(*words: str, port: str = SCENARIO) -> Iterator[list[str]]:
    """`esp32sock proxy` or `forward`; where it listens, as far as it says so at the start."""
    process = subprocess.Popen(
        [sys.executable, "-m", "esp32sock", *words, "--json", "-p", port],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    places: list[str] = []
    try:
        for _ in range(2 if "--listen" in words and words[0] == "forward" else 1):
            event = json.loads(process.stdout.readline())
            assert event["event"] == "listening", event
            places.append(event["client"])
        rest = threading.Thread(target=process.stdout.read)
        rest.start()
        yield places
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        rest.join()
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    (path / "blob").write_bytes(BLOB)
    return path


@pytest.fixture(scope="module")
def files(folder: Path) -> Iterator[int]:
    with file_server(folder) as port:
        yield port


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    with gateway("proxy", "--listen", "0") as places:
        yield places[0]


def run(*words: str, **options: Any) -> bytes:
    """What a program prints; it knows no proxy but the one that it is told of."""
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE_S, check=False, env=clean, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(*words: str) -> bytes:
    return run("curl", "-sS", "--fail", "--max-time", "100", *words)


WAYS = {
    "SOCKS5": ("--socks5-hostname", "{}"),
    "HTTP": ("-x", "http://{}"),
    "HTTP with CONNECT": ("-p", "-x", "http://{}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_curl(proxy: str, files: int, way: str) -> None:
    required("curl")
    words = [word.format(proxy) for word in WAYS[way]]
    assert hashlib.sha256(curl(*words, f"http://{HOST}:{files}/blob")).hexdigest() == DIGEST


@pytest.mark.parametrize("way", ["SOCKS5", "HTTP"])
def test_curl_with_tls(proxy: str, folder: Path, tmp_path: Path, way: str) -> None:
    required("curl")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    words = [word.format(proxy) for word in WAYS[way]]
    with file_server(folder, context) as port:
        got = curl(*words, "--cacert", str(tmp_path / "ca.pem"), f"https://{HOST}:{port}/blob")
    assert hashlib.sha256(got).hexdigest() == DIGEST


def test_eight_downloads_at_once(proxy: str, files: int) -> None:
    """More than there are links: each waits for its turn, and all are whole."""
    required("curl")
    running = [
        subprocess.Popen(
            ["curl", "-sS", "--fail", "--socks5-hostname", proxy, f"http://{HOST}:{files}/blob"],
            stdout=subprocess.PIPE,
        )
        for _ in range(8)
    ]
    digests = []
    for process in running:
        got, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        digests.append(hashlib.sha256(got).hexdigest())
    assert digests == [DIGEST] * 8


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_git_clone(proxy: str, tmp_path: Path, scheme: str) -> None:
    required("git")
    source, copy = tmp_path / "source", tmp_path / "copy"
    run("git", "init", "-q", str(source))
    (source / "blob").write_bytes(BLOB)
    author = ["-c", "user.name=A", "-c", "user.email=a@host.test"]
    run("git", "add", ".", cwd=source)
    run("git", *author, "commit", "-q", "-m", "Add a file", cwd=source)
    run("git", "update-server-info", cwd=source)
    with file_server(source) as port:
        url = f"http://{HOST}:{port}/.git"
        run("git", "-c", f"http.proxy={scheme}://{proxy}", "clone", "-q", url, str(copy))
    assert (copy / "blob").read_bytes() == BLOB
    run("git", "fsck", "--strict", cwd=copy)


def test_a_name_server_by_udp(proxy: str) -> None:
    socks = pytest.importorskip("socks")
    host, _, port = proxy.rpartition(":")
    with socket.socket(type=socket.SOCK_DGRAM) as server, socks.socksocket(type=socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE_S)
        client.settimeout(PATIENCE_S)

        def answer() -> None:
            data, asker = server.recvfrom(2000)
            reply = dns.message.make_response(dns.message.from_wire(data))
            reply.answer.append(dns.rrset.from_text("printer.test.", 60, "IN", "A", "10.0.2.77"))
            server.sendto(reply.to_wire(), asker)

        thread = threading.Thread(target=answer)
        thread.start()
        client.set_proxy(socks.SOCKS5, host, int(port), rdns=True)
        query = dns.message.make_query("printer.test", "A")
        client.sendto(query.to_wire(), (HOST, server.getsockname()[1]))
        got = dns.message.from_wire(client.recv(2000))
        thread.join()
    assert got.is_response(query) or got.id == query.id
    assert [str(each) for each in got.answer[0]] == ["10.0.2.77"]


def test_a_c_program_by_proxychains(proxy: str, files: int, tmp_path: Path) -> None:
    required("proxychains4", "cc")
    program, configuration = tmp_path / "get", tmp_path / "proxychains.conf"
    run("cc", "-Wall", "-Werror", "-o", str(program), str(Path(__file__).with_name("get.c")))
    host, _, port = proxy.rpartition(":")
    configuration.write_text(
        f"strict_chain\nquiet_mode\nproxy_dns\n[ProxyList]\nsocks5 {host} {port}\n", "utf-8"
    )
    got = run("proxychains4", "-q", "-f", str(configuration), str(program), HOST, str(files), "/blob")
    assert hashlib.sha256(got.partition(b"\r\n\r\n")[2]).hexdigest() == DIGEST


def module_that_listens(port: int) -> str:
    """Where this machine finds the server of a simulated module: it has an address of its own on loopback."""
    for number in range(1, 50):
        place = f"127.64.0.{number}:{port}"
        if (
            subprocess.run(["curl", "-s", f"http://{place}/"], capture_output=True, check=False).returncode
            == 0
        ):
            return place
    raise AssertionError(f"nothing listens on port {port}")


def test_forwards_both_ways(files: int) -> None:
    required("curl")
    of_module = free_port()
    words = ["forward", "0", f"{HOST}:{files}", "--listen", str(of_module), f"127.0.0.1:{files}"]
    with gateway(*words) as places:
        local = next(place for place in places if place.startswith("127.0.0.1:"))
        for url in (f"http://{local}/blob", f"http://{module_that_listens(of_module)}/blob"):
            for _ in range(3):
                assert hashlib.sha256(curl(url)).hexdigest() == DIGEST, url


def test_beside_a_service(files: int, tmp_path: Path) -> None:
    """A proxy and a forward share the module of one broker."""
    required("curl")
    with (
        served(tmp_path) as broker,
        gateway("proxy", "--listen", "0", port=broker.url) as proxies,
        gateway("forward", "0", f"10.0.2.2:{files}", port=broker.url) as forwards,
    ):
        assert curl("--socks5", proxies[0], f"http://10.0.2.2:{files}/blob") == BLOB
        assert curl("-x", f"http://{proxies[0]}", f"http://10.0.2.2:{files}/blob") == BLOB
        assert curl(f"http://{forwards[0]}/blob") == BLOB
