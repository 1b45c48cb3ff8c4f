"""Messages small and large, both ways, from the two kinds of client."""

import asyncio
import sys

import websockets.asyncio.client
import websockets.sync.client

url = f"ws://{sys.argv[1]}:{sys.argv[2]}/"
sizes = (1, 1000, 70_000)
with websockets.sync.client.connect(url, open_timeout=30, proxy=None) as plain:
    for size in sizes:
        plain.send("x" * size)
        print(len(plain.recv(30)))


async def main() -> None:
    async with websockets.asyncio.client.connect(url, open_timeout=30, proxy=None) as connection:
        for size in sizes:
            await connection.send(b"y" * size)
            print(len(await connection.recv()))
        await (await connection.ping())


asyncio.run(main())
