"""Echo by trio, until its input ends; with a certificate it is TLS."""

import ssl
import sys

import trio


async def echo(stream: trio.abc.Stream) -> None:
    async with stream:
        while data := await stream.receive_some():
            await stream.send_all(data)


async def main() -> None:
    listeners: list[trio.SocketListener] = await trio.open_tcp_listeners(0, host="0.0.0.0")
    print("listening", listeners[0].socket.getsockname()[1], flush=True)
    serving: list[trio.abc.Listener[trio.abc.Stream]] = [*listeners]
    if sys.argv[1:]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1])
        serving = [trio.SSLListener(each, context, https_compatible=True) for each in listeners]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, echo, serving)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


trio.run(main)
