"""The whole module in memory under trio's clock."""

import pytest
import trio

from esp32sock.simulator import MemoryNetwork, Settings, open_module


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
    async with open_module(Settings(window=5760), network) as opened:
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
