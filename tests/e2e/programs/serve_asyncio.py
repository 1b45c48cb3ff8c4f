"""Echo by asyncio, streams and datagrams, until its input ends; with a certificate the streams are TLS."""

import asyncio
import ssl
import sys
from typing import cast

echoes: set[asyncio.Task[None] | None] = set()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    echoes.add(asyncio.current_task())
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


async def main() -> None:
    context = None
    if sys.argv[1:]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(echo, "0.0.0.0", 0, ssl=context)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("0.0.0.0", 0))
    stream_port, datagram_port = server.sockets[0].getsockname()[1], transport.get_extra_info("sockname")[1]
    print("listening", stream_port, datagram_port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(*filter(None, echoes), return_exceptions=True)
    transport.close()
    server.close()
    await server.wait_closed()


asyncio.run(main())
