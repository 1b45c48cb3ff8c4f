"""Echo by asyncio and by trio: streams, datagrams, and several connections at a time."""

import asyncio
import sys

import trio

host, stream_port, datagram_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
DATA = bytes(range(256)) * 200


class Echo(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.answer.set_result(data)


async def with_asyncio() -> None:
    async def once() -> bool:
        reader, writer = await asyncio.open_connection(host, stream_port)
        writer.write(DATA)
        same = await reader.readexactly(len(DATA)) == DATA
        writer.close()
        await writer.wait_closed()
        return same

    print("asyncio", await asyncio.gather(*(once() for _ in range(3))))
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Echo, remote_addr=(host, datagram_port))
    transport.sendto(b"a datagram")
    print("asyncio", await asyncio.wait_for(protocol.answer, 30))
    transport.close()


async def with_trio() -> None:
    results: list[bool] = []

    async def once() -> None:
        async with await trio.open_tcp_stream(host, stream_port) as stream:
            await stream.send_all(DATA)
            got = b""
            while len(got) < len(DATA):
                got += await stream.receive_some()
            results.append(got == DATA)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(once)
    print("trio", results)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.sendto(b"another", (host, datagram_port))
        data, where = await sock.recvfrom(100)
        print("trio", data, where == (host, datagram_port))


asyncio.run(with_asyncio())
trio.run(with_trio)
