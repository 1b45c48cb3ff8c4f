"""Five TLS links at a time by threads, then asyncio and trio over TLS."""

import asyncio
import socket
import ssl
import sys
import threading

import trio

host, port, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=authority)
DATA = bytes(range(256)) * 100
all_open = threading.Barrier(5)
results: list[bool] = []


def talk() -> None:
    plain = socket.create_connection((host, port), timeout=50)
    with context.wrap_socket(plain, server_hostname=host) as secure, secure.makefile("rb") as stream:
        all_open.wait(50)
        secure.sendall(DATA)
        results.append(stream.read(len(DATA)) == DATA)


async def by_asyncio() -> bool:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(DATA)
    same = await reader.readexactly(len(DATA)) == DATA
    writer.close()
    await writer.wait_closed()
    return same


async def by_trio() -> bool:
    stream = await trio.open_ssl_over_tcp_stream(host, port, ssl_context=context, https_compatible=True)
    async with stream:
        await stream.send_all(DATA)
        got = b""
        while len(got) < len(DATA):
            got += await stream.receive_some()
        return got == DATA


threads = [threading.Thread(target=talk) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("threads", results)
print("asyncio", asyncio.run(by_asyncio()))
print("trio", trio.run(by_trio))
