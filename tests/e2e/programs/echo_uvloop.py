"""Echo over uvloop, and a server, which is refused there."""

import asyncio
import sys

import uvloop

host, port = sys.argv[1], int(sys.argv[2])
DATA = bytes(range(256)) * 100


async def main() -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(DATA)
    print("uvloop", await reader.readexactly(len(DATA)) == DATA, writer.get_extra_info("peername")[0])
    writer.close()
    await writer.wait_closed()
    try:
        await asyncio.start_server(lambda *_: None, "", 0)
    except OSError as error:
        print(type(asyncio.get_running_loop()).__module__, "bypass" in str(error))


uvloop.run(main())
