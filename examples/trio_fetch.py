"""A trio program that runs the module itself, without a thread: a few lines of HTTP.

python trio_fetch.py        with the port in ESP32SOCK_PORT
"""

import trio

from esp32sock.trio import open_interface


async def main() -> None:
    async with open_interface() as interface:
        stream = await interface.open_tcp_stream("example.org", 80)
        async with stream:
            await stream.send_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n")
            print(sum([len(piece) async for piece in stream]), "bytes")


trio.run(main)
