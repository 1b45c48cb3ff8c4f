"""Several connections at a time with asyncio, which runs unmodified once sockets are patched.

python together.py        with the port in ESP32SOCK_PORT
"""

import asyncio

import esp32sock

REQUEST = b"HEAD / HTTP/1.0\r\nHost: %s\r\n\r\n"


async def first_line(host: str) -> str:
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(REQUEST % host.encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return f"{host}: {line.decode().strip()}"


async def main() -> None:
    for said in await asyncio.gather(*map(first_line, ("example.org", "example.com", "example.net"))):
        print(said)


esp32sock.attach()
with esp32sock.patched():
    asyncio.run(main())
