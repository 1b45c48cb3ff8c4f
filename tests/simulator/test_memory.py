"""The whole module in memory under trio's clock: the stream, and determinism."""

import hashlib

import pytest
import trio
import trio.testing

from esp32sock.simulator import Faults, MemoryNetwork, Settings, open_module


async def echo(connection):
    while data := await connection.receive():
        await connection.sleep(0.01)
        connection.send(data)


async def until(stream, end):
    said = b""
    while not said.endswith(end):
        data = await stream.receive_some()
        assert data
        said += data
    return said


async def test_dialogue(autojump_clock):
    network = MemoryNetwork()
    network.listen("10.0.2.2", 7000, echo)
    async with open_module(Settings(profile="2.4"), network) as opened:
        stream = opened.stream
        await stream.send_all(b"ATE0\r\n")
        assert await until(stream, b"OK\r\n") == b"ATE0\r\n\r\nOK\r\n"
        await stream.send_all(b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n')
        assert await until(stream, b"OK\r\n") == b"CONNECT\r\n\r\nOK\r\n"
        await stream.send_all(b"AT+CIPSEND=5\r\n")
        await until(stream, b">")
        await stream.send_all(b"hello")
        assert (await until(stream, b"hello\r\n")).endswith(b"SEND OK\r\n\r\n+IPD,5:hello\r\n")
        assert opened.module.journal.links_opened == 1


async def test_an_error_in_the_block_comes_out_as_itself(autojump_clock):
    with pytest.raises(ZeroDivisionError):
        async with open_module():
            raise ZeroDivisionError


async def test_closing_the_stream(autojump_clock):
    async with open_module() as opened:
        await opened.stream.aclose()
        assert await opened.stream.receive_some() == b""
        with pytest.raises(trio.ClosedResourceError):
            await opened.stream.send_all(b"AT\r\n")


async def test_a_host_that_does_not_read_holds_the_module_back(autojump_clock):
    async def pour(connection):
        connection.send(b"x" * 5_000_000)

    network = MemoryNetwork()
    network.listen("10.0.2.2", 1, pour)
    async with open_module(Settings(window_bytes=5760), network) as opened:
        await opened.stream.send_all(b"ATE0\r\n")
        await until(opened.stream, b"OK\r\n")
        await opened.stream.send_all(b'AT+CIPSTART="TCP","10.0.2.2",1\r\n')
        await trio.sleep(60)
        held = 5_000_000 - sum(map(len, network.connections[0]._outbox))
        assert held < 600_000
        total = 0
        with trio.fail_after(60):
            while total < 5_000_000:
                total += len(await opened.stream.receive_some())


class Noise(Faults):
    """A stand-in for the named faults: chance at every hook, from the module's own Random."""

    active = True

    def start(self, firmware):
        self.firmware = firmware
        self.random = firmware.kernel.random
        firmware.spawn(self.storm())

    async def storm(self):
        while True:
            await self.firmware.kernel.sleep(self.random.uniform(0.05, 2))
            self.firmware.line("WIFI DISCONNECT")

    def module_bytes(self, data):
        cut = self.random.randrange(len(data) + 1)
        return [data[:cut], data[cut:]]

    def line(self, line):
        return self.random.choice(["run", "run", "busy", "busy and run"])

    def gap(self, place):
        if self.random.random() < 0.3:
            self.firmware.line(f"debug {place}")

    def accepted_bytes(self, count):
        return count if self.random.random() < 0.8 else count // 2

    def network_event(self, event):
        return [event] if self.random.random() < 0.9 else []


def run_once(seed):
    """One scripted session against a module full of faults; a digest of what it said and when.

    How the bytes of one moment are cut into reads is trio's affair, so they are joined.
    """
    said = {}

    async def main():
        network = MemoryNetwork()
        network.listen("10.0.2.2", 7000, echo)
        settings = Settings(profile="2.0", seed=seed, paced=bool(seed & 1), baud=921600, cold=bool(seed & 2))
        async with open_module(settings, network, faults=Noise()) as opened:

            async def listen():
                while data := await opened.stream.receive_some():
                    now = round(trio.current_time(), 9)
                    said[now] = said.get(now, b"") + data

            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                for line in (
                    b"AT+GMR\r\n",
                    b"AT+CWJAP?\r\n",
                    b"AT+CIPMUX=1\r\n",
                    b'AT+CIPSTART=1,"TCP","10.0.2.2",7000\r\n',
                    b"AT+CIPSEND=1,5\r\n",
                    b"hello",
                    b"AT+RST\r\n",
                ):
                    await opened.stream.send_all(line)
                    await trio.sleep(0.4)
                await trio.sleep(3.21)  # nothing of the module is due when we leave
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return hashlib.sha256(repr(said).encode()).hexdigest()


def test_a_seed_names_a_run():
    digests = [run_once(seed) for seed in range(25)]
    assert digests == [run_once(seed) for seed in range(25)]
    assert len(set(digests)) == 25
