"""An aiohttp web application, until its input ends."""

import asyncio
import hashlib
import sys

from aiohttp import web


async def get(_: web.Request) -> web.Response:
    return web.Response(body=b"page " * 2000)


async def post(request: web.Request) -> web.Response:
    return web.Response(text=hashlib.sha256(await request.read()).hexdigest())


async def main() -> None:
    application = web.Application()
    application.add_routes([web.get("/", get), web.post("/", post)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", 0)
    await site.start()
    print("listening", runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
