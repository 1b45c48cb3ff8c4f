"""The capture file, read back by a parser of our own: blocks, checksums, a TCP stream put together again."""

import io
import ipaddress
import shutil
import struct
import subprocess

import pytest

from esp32sock.simulator.observers.packets import ACK, FIN, RST, SYN, checksum
from esp32sock.simulator.observers.pcapng import PcapNg


def blocks(data):
    """(type, body) of each block; the lengths at both ends must agree."""
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, at + length - 4) == (length,)
        yield kind, data[at + 8 : at + length - 4]
        at += length
    assert at == len(data)


def options(data):
    found, at = {}, 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert at + 4 == len(data)
            break
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    return found


class Capture:
    def __init__(self, data):
        (header, *rest) = blocks(data)
        assert header[0] == 0x0A0D0D0A
        assert struct.unpack_from("<IHH", header[1]) == (0x1A2B3C4D, 1, 0)
        self.links, self.packets = [], []
        for kind, body in rest:
            if kind == 1:
                self.links.append((struct.unpack_from("<H", body)[0], options(body[8:])[2].decode()))
                continue
            assert kind == 6
            number, high, low, length, original = struct.unpack_from("<5I", body)
            assert length == original
            (flags,) = struct.unpack("<I", options(body[20 + length + -length % 4 :])[2])
            self.packets.append((number, (high << 32 | low) / 1e6, flags, body[20 : 20 + length]))

    def dialogue(self, direction):
        return b"".join(data for number, _, flags, data in self.packets if number == 0 and flags == direction)

    def segments(self):
        """(source, target, protocol, flags, sequence, acknowledged, payload) of each IPv4 packet."""
        for number, _, flags, data in self.packets:
            if number == 1:
                yield flags, *self.segment(data)

    @staticmethod
    def segment(data):
        assert data[0] == 0x45
        assert checksum(data[:20]) == 0
        length, protocol = struct.unpack_from("!H", data, 2)[0], data[9]
        assert length == len(data)
        pseudo = data[12:20] + struct.pack("!BBH", 0, protocol, length - 20)
        assert checksum(pseudo + data[20:]) == 0
        source, target = (str(ipaddress.IPv4Address(data[n : n + 4])) for n in (12, 16))
        from_port, to_port = struct.unpack_from("!HH", data, 20)
        if protocol == 17:
            assert struct.unpack_from("!H", data, 24) == (length - 20,)
            return (source, from_port), (target, to_port), None, 0, data[28:]
        (sequence,) = struct.unpack_from("!I", data, 24)
        return (source, from_port), (target, to_port), data[33], sequence, data[40:]


@pytest.fixture
def watched(power_on):
    """A module without echo, and how to read what was captured of it."""
    file = io.BytesIO()
    bench = power_on("2.4", observers=(PcapNg(file, started_at=1_700_000_000.5),))
    bench.do("ATE0")
    return bench, lambda: Capture(file.getvalue())


def test_the_dialogue(watched):
    bench, capture = watched
    bench.passes(1)
    bench.say(b"AT\r\n")
    found = capture()
    assert found.links == [(147, "esp32 AT"), (101, "esp32 links")]
    assert found.dialogue(2) == b"ATE0\r\nAT\r\n"
    assert found.dialogue(1) == b"ATE0\r\n\r\nOK\r\n\r\nOK\r\n"
    times = [time for _, time, _, _ in found.packets]
    assert times == sorted(times)
    assert times[0] == 1_700_000_000.5


def test_a_stream(watched):
    bench, capture = watched
    payload = bytes(n & 255 for n in range(4000))
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=4000")
    bench.say(payload)
    bench.do("AT+CIPCLOSE")
    segments = list(capture().segments())
    module = segments[0][1]
    assert module[0] == "10.0.2.15"
    assert [flags for _, _, _, flags, _, _ in segments[:3]] == [SYN, SYN | ACK, ACK]
    streams = {2: b"", 1: b""}
    expected = {}
    for way, source, target, flags, sequence, data in segments:
        assert (source if way == 2 else target) == module
        assert (target if way == 2 else source) == ("10.0.2.2", 7000)
        assert sequence == expected.get(way, sequence)  # neither gap nor overlap
        assert len(data) <= 1440
        expected[way] = sequence + len(data) + bool(flags & (SYN | FIN))
        streams[way] += data
    assert streams == {2: payload, 1: payload}
    assert segments[-2][3] == FIN | ACK


def test_refused_and_reset(watched):
    bench, capture = watched
    bench.say(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
    bench.do('AT+CIPSTART="TCP","10.0.2.2",7003', "AT+CIPSEND=3")
    bench.say(b"rst")
    flags = [flags for _, _, _, flags, _, _ in capture().segments()]
    assert flags[:2] == [SYN, RST | ACK]
    assert flags[-1] == RST | ACK


def test_datagrams(watched):
    bench, capture = watched
    bench.do('AT+CIPSTART="UDP","10.0.2.2",7005,2390', "AT+CIPSEND=4")
    bench.say(b"ping")
    assert [segment[1:] for segment in capture().segments()] == [
        (("10.0.2.15", 2390), ("10.0.2.2", 7005), None, 0, b"ping"),
        (("10.0.2.2", 7005), ("10.0.2.15", 2390), None, 0, b"ping"),
    ]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_wireshark_opens_it(power_on, tmp_path):
    path = tmp_path / "x.pcapng"
    with open(path, "wb") as file:
        bench = power_on("2.4", observers=(PcapNg(file),))
        bench.do("ATE0", 'AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPSEND=5")
        bench.say(b"hello")
    command = ["tshark", "-r", str(path), "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    fields = ["-T", "fields", "-e", "frame.interface_name", "-e", "tcp.payload", "-e", "_ws.expert.message"]
    shown = subprocess.run([*command, *fields], capture_output=True, text=True, check=True).stdout
    assert f"esp32 links\t{b'hello'.hex()}" in shown
    assert "esp32 AT" in shown
    assert "hecksum" not in shown
    assert "alformed" not in shown
