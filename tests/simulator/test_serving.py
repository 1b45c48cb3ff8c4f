"""The module behind a terminal, a TCP port, pyserial and the command line, with real sockets."""

import contextlib
import functools
import gc
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import warnings

import pytest
import serial
import trio

from esp32sock.simulator import (
    BackgroundModule,
    Faults,
    Observer,
    Settings,
    opened_modules,
    protocol_sim,
    serve,
)
from esp32sock.simulator.cli import main
from esp32sock.simulator.protocol_sim import settings_of
from esp32sock.simulator.runtime.timers import FineTimer

OK = b"\r\nOK\r\n"


@pytest.fixture
def sim_scheme(monkeypatch):
    packages = [*serial.protocol_handler_packages, "esp32sock.simulator"]
    monkeypatch.setattr(serial, "protocol_handler_packages", packages)


@pytest.fixture
def echo_port():
    """A TCP echo server on this machine, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients = []

    def talk(client):
        with client:
            while data := client.recv(65536):
                client.sendall(data)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(threading.Thread(target=talk, args=(client,)))
                clients[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for client in clients:
        client.join()


def read_until(port, end):
    said = b""
    while not said.endswith(end):
        data = port.read(max(1, port.in_waiting))
        assert data, said
        said += data
    return said


def fds():
    return {
        name: os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{name}")
    }


def test_pyserial_opens_a_module(sim_scheme, echo_port):
    with serial.serial_for_url("sim://2.0", 115200, timeout=20) as port:
        port.write(b"ATE0\r\n")
        assert read_until(port, OK) == b"ATE0\r\n" + OK
        port.write(b'AT+CIPSTART="TCP","10.0.2.2",%d\r\n' % echo_port)
        assert read_until(port, OK) == b"CONNECT\r\n" + OK
        port.write(b"AT+CIPSEND=5\r\n")
        read_until(port, b">")
        port.write(b"hello")
        assert read_until(port, b"hello\r\n").endswith(b"SEND OK\r\n\r\n+IPD,5:hello\r\n")
        (record,) = port.simulated.journal.links
        assert (record.bytes_sent, record.bytes_received, record.port) == (5, 5, echo_port)
        assert opened_modules() == [port.simulated]
        # The line has a descriptor that can be waited for.
        port.write(b"AT\r\n")
        assert select.select([port.fileno()], [], [], 20)[0]
        assert (port.cts, port.dsr, port.cd, port.ri) == (True, True, True, False)
        port.rts = False
        port.baudrate = 921600
    assert opened_modules() == []


def test_a_paced_module(sim_scheme):
    with serial.serial_for_url("sim://2.4?paced=1&baud=921600&latency_ms=1", 921600, timeout=20) as port:
        port.write(b"AT\r\n")
        assert read_until(port, OK) == b"AT\r\n" + OK


async def test_fine_timer():
    timer = FineTimer()
    with trio.fail_after(20):
        timer.set(1000)
        timer.set(0.001)
        await timer.wait()
        timer.set(-1)
        await timer.wait()
    timer.set(None)
    timer.close()


def test_two_openings_are_two_modules(sim_scheme):
    with (
        serial.serial_for_url("sim://", 115200, timeout=20) as one,
        serial.serial_for_url("sim://", 115200, timeout=20) as two,
    ):
        one.write(b"ATE0\r\n")
        read_until(one, OK)
        two.write(b"AT\r\n")
        assert read_until(two, OK) == b"AT\r\n" + OK
        assert one.simulated is not two.simulated


def test_nothing_is_left_behind(sim_scheme):
    """Threads, descriptors and warnings, after closing and after dropping a port."""
    serial.serial_for_url("sim://").close()
    before, threads = fds(), threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            port = serial.serial_for_url("sim://doc-v1")
            port.write(b"AT\r\n")
            port.close()
            port.close()
        port = serial.serial_for_url("sim://")
        del port
        gc.collect()
    assert fds() == before
    assert threading.active_count() == threads


def test_a_port_can_be_opened_again(sim_scheme):
    port = serial.serial_for_url("sim://2.0", do_not_open=True, baudrate=115200, timeout=20)
    assert port.simulated is None
    for _ in range(2):
        port.open()
        port.write(b"AT\r\n")
        assert read_until(port, OK) == b"AT\r\n" + OK
        port.close()
    assert port.port == "sim://2.0"


def test_options_of_the_url():
    settings = settings_of("sim://2.0?paced=1&baud=921600&latency_ms=4&seed=7&joined=0&cold=1&window=2880")
    assert settings == Settings(
        profile="2.0",
        paced=True,
        baud=921600,
        latency_ms=4,
        seed=7,
        joined=False,
        cold=True,
        window=2880,
    )
    assert settings_of("sim://") == Settings()
    assert f"module has profile {Settings().profile} " in " ".join((protocol_sim.__doc__ or "").split())
    assert settings_of("sim://?faults=drop:0.1,busy@3&nvs=flash&boot_noise=1") == Settings(
        faults="drop:0.1,busy@3", nvs="flash", boot_noise=True
    )


def test_a_scenario_in_the_url(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text('[[access_point]]\nssid = "attic"\n')
    assert settings_of(f"sim://2.0?scenario={path}").access_points[0].ssid == "attic"
    with pytest.raises(FileNotFoundError):
        settings_of(f"sim://?scenario={tmp_path}/nosuch")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sim://9.9", "option profile: no profile '9.9'; there are doc-v1"),
        ("sim://2.0?nosuch=1", "no option 'nosuch'; there are profile, scenario, paced, baud"),
        ("sim://?paced=yes", "option paced: 'yes' is neither 0 nor 1"),
        ("sim://?baud=fast", "option baud: "),
        ("sim://?latency_ms=-1", "option latency_ms: "),
        ("sim://?paced", "bad query field"),
        ("sim://?faults=nosuch", "option faults: no fault 'nosuch'; there are all"),
        ("sim://?scenario=nosuch.toml", "nosuch.toml"),
        ("sim://?nvs=/dev/null/x", "/dev/null/x"),
    ],
)
def test_bad_urls(sim_scheme, url, message):
    with pytest.raises(serial.SerialException) as error:
        serial.serial_for_url(url)
    assert message in str(error.value)
    assert opened_modules() == []


def test_background_module(echo_port):
    background = BackgroundModule(Settings(profile="2.4"))
    try:
        with serial.Serial(background.path, 115200, timeout=20) as port:
            port.write(b'AT+CIPSTART="TCP","localhost",%d\r\n' % echo_port)
            assert read_until(port, OK).endswith(b"\r\nCONNECT\r\n" + OK)
            port.write(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
            read_until(port, b"\r\nERROR\r\n")
            port.write(b'AT+CIPDOMAIN="nosuch.invalid"\r\n')
            read_until(port, b"\r\nERROR\r\n")
    finally:
        background.stop()
        background.stop()


def test_a_crash_of_the_module_is_told():
    class Broken(Faults):
        active = True

        def host_bytes(self, data):
            raise ZeroDivisionError

    background = BackgroundModule(Settings(), faults=Broken())
    with serial.Serial(background.path, 115200, timeout=20) as port:
        port.write(b"AT\r\n")
        background._thread.join()
    with pytest.raises(RuntimeError, match="the simulated module crashed"):
        background.stop()


def test_real_datagrams():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(20)
        background = BackgroundModule(Settings(profile="2.4"))
        with serial.Serial(background.path, 115200, timeout=20) as port:
            port.write(b'AT+CIPSTART="UDP","10.0.2.2",%d\r\n' % peer.getsockname()[1])
            read_until(port, OK)
            port.write(b"AT+CIPSEND=4\r\n")
            read_until(port, b">")
            port.write(b"ping")
            data, where = peer.recvfrom(100)
            assert data == b"ping"
            peer.sendto(b"pong", where)
            read_until(port, b"\r\n+IPD,4:pong\r\n")
        background.stop()


def test_a_big_transfer_both_ways():
    """Payload is whole after its way through terminal, module and real sockets, and back."""
    chunk, count = os.urandom(8192), 20
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as after:
        listener.settimeout(20)
        background = BackgroundModule(Settings(profile="2.4"))
        after.callback(background.stop)
        port = after.enter_context(serial.Serial(background.path, 115200, timeout=20))
        port.write(b"ATE0\r\n")
        read_until(port, OK)
        port.write(b'AT+CIPSTART="TCP","10.0.2.2",%d\r\n' % listener.getsockname()[1])
        peer = after.enter_context(listener.accept()[0])
        peer.settimeout(20)
        read_until(port, OK)
        for _ in range(count):
            port.write(b"AT+CIPSEND=8192\r\n")
            read_until(port, b">")
            port.write(chunk)
            read_until(port, b"\r\nSEND OK\r\n")
        sent = peer.makefile("rb").read(count * len(chunk))
        assert sent == chunk * count

        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        said, received, position = read_until(port, b"\r\nCLOSED\r\n"), b"", 0
        while said.startswith(b"\r\n+IPD,", position):
            header_end = said.index(b":", position) + 1
            length = int(said[position + 7 : header_end - 1])
            received += said[header_end : header_end + length]
            position = header_end + length + 2
        assert received == sent
        assert said[position:] == b"CLOSED\r\n"


async def test_serve_on_a_terminal(tmp_path):
    link, lines = str(tmp_path / "module"), []
    async with trio.open_nursery() as nursery:
        place = await nursery.start(
            functools.partial(serve, Settings(profile="2.0"), pty_link=link, trace=lines.append)
        )
        assert place == link
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(fd, b"AT\r\n")
        said = b""
        while not said.endswith(OK):
            await trio.lowlevel.wait_readable(fd)
            said += os.read(fd, 100)
        assert said == b"AT\r\n" + OK
        os.close(fd)
        nursery.cancel_scope.cancel()
    assert list(tmp_path.iterdir()) == []
    assert [line.split(None, 1)[1] for line in lines] == [
        "H>M      4 AT\\r\\n",
        "M>H     10 AT\\r\\n\\r\\nOK\\r\\n",
    ]


async def test_serve_on_tcp():
    async with trio.open_nursery() as nursery:
        place = await nursery.start(functools.partial(serve, tcp=("127.0.0.1", 0)))
        assert place.startswith("socket://127.0.0.1:")
        for _ in range(2):  # a second client finds the same module
            stream = await trio.open_tcp_stream("127.0.0.1", int(place.rpartition(":")[2]))
            async with stream:
                await stream.send_all(b"AT\r\n")
                said = b""
                while not said.endswith(OK):
                    said += await stream.receive_some()
                assert said == b"AT\r\n" + OK
        nursery.cancel_scope.cancel()


async def test_a_file_in_the_way_is_not_replaced(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        await serve(pty_link=str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_command_line(tmp_path, echo_port):
    link, journal = tmp_path / "module", tmp_path / "journal"
    command = [sys.executable, "-m", "esp32sock.simulator", "--profile", "2.0", "--trace"]
    with subprocess.Popen(
        [*command, "--pty", str(link), "--journal", str(journal)], stdout=subprocess.PIPE, text=True
    ) as process:
        begun = re.escape("simulated ESP32, profile 2.0, its servers at ") + r"127\.[\d.]+, at (.*)\n"
        assert re.fullmatch(begun, process.stdout.readline())[1] == str(link)
        with serial.Serial(str(link), 115200, timeout=20) as port:
            port.write(b'AT+CIPSTART="TCP","10.0.2.2",%d\r\n' % echo_port)
            read_until(port, b"CONNECT\r\n" + OK)
            port.write(b"AT+CIPCLOSE\r\n")
            read_until(port, b"CLOSED\r\n" + OK)
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read()
        assert process.wait() == 0
    assert "H>M     13 AT+CIPCLOSE" in output
    assert not os.path.lexists(link)
    opened, closed = map(json.loads, journal.read_text().splitlines())
    assert (opened["event"], opened["port"]) == ("open", echo_port)
    assert (closed["event"], closed["bytes_sent"], closed["bytes_received"]) == ("close", 0, 0)


def test_several_modules_of_one_command(tmp_path):
    """Each with a place, a flash, a capture and addresses of its own."""
    command = [sys.executable, "-m", "esp32sock.simulator", "--trace", "--tcp", "127.0.0.1:0"]
    command += ["--pty", str(tmp_path / "a"), "--pty", str(tmp_path / "b")]
    command += ["--nvs", str(tmp_path / "nvs"), "--pcap", str(tmp_path / "pcap")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        places = [process.stdout.readline().split()[-1] for _ in range(3)]
        assert places[0].startswith("socket://127.0.0.1:")
        assert places[1:] == [str(tmp_path / "a"), str(tmp_path / "b")]
        macs = set()
        for place in places[1:]:
            with serial.Serial(place, 115200, timeout=20) as port:
                port.write(b"AT+CIFSR\r\n")
                macs.add(read_until(port, OK))
        assert len(macs) == 2
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read()
        assert process.wait() == 0
    assert "[2] " in output
    assert "[3] " in output
    assert {"nvs", "nvs.2", "nvs.3", "pcap", "pcap.2", "pcap.3"} == {each.name for each in tmp_path.iterdir()}


def test_an_unplugged_module_ends_the_command(tmp_path):
    command = [
        sys.executable,
        "-m",
        "esp32sock.simulator",
        "--pty",
        str(tmp_path / "a"),
        "--faults",
        "unplug@8",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        with serial.Serial(str(tmp_path / "a"), 115200, timeout=20) as port:
            port.write(b"AT\r\n")
            with contextlib.suppress(serial.SerialException):
                while port.read(1):
                    pass
        assert process.wait() == 0


def test_garbage_at_another_baud():
    """The terminal shows the module how the port is set while bytes pass."""

    class Seen(Observer):
        def __init__(self):
            self.event = threading.Event()

        def host_bytes(self, now_s, data):
            self.event.set()

    seen = Seen()
    background = BackgroundModule(Settings(profile="2.0"), observers=(seen,))
    with serial.Serial(background.path, 9600, timeout=20) as port:
        port.write(b"AT\r\n")  # zeros at 115200, which are not even echoed
        assert seen.event.wait(20)
        port.baudrate = 115200
        port.write(b"\r\n")
        assert b"OK" not in read_until(port, b"\r\nERROR\r\n")
        port.write(b"AT\r\n")
        assert read_until(port, OK) == b"AT\r\n" + OK
    background.stop()


def test_command_line_says_what_is_wrong(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["--pty", str(tmp_path / "file")]) != 0
    assert "File exists" in capsys.readouterr().err
    for words, message in (
        (["--profile", "nosuch"], "doc-v1"),
        (["--faults", "nosuch"], "no fault 'nosuch'"),
        (["--scenario", str(tmp_path / "file")], "file: "),
        (["--scenario", str(tmp_path / "none")], "No such file"),
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert message in capsys.readouterr().err
    assert main(["--nvs", str(tmp_path / "file")]) != 0
    assert "not the flash of a simulated module" in capsys.readouterr().err
