"""A socket registered with epoll before bind() or connect() to an address that the routes give to the host
(loopback by default): its events must arrive, as without the patch (pyftpdlib does it so). Exit 0 if so.
"""

import select
import socket
import sys

import esp32sock

esp32sock.attach("sim://2.4")
esp32sock.patch()
servers = select.epoll()
server = socket.socket()
servers.register(server.fileno(), select.EPOLLIN)
server.bind(("127.0.0.1", 0))
server.listen()
client = socket.create_connection(server.getsockname())
seen_by_server = servers.poll(2)
clients = select.epoll()
late = socket.socket()
late.setblocking(False)
clients.register(late.fileno(), select.EPOLLOUT | select.EPOLLIN)
try:
    late.connect(server.getsockname())
except BlockingIOError:
    pass
seen_by_client = [event for event in clients.poll(2) if event[1] & select.EPOLLOUT]
print("server:", seen_by_server, "client:", seen_by_client)
sys.exit(not (seen_by_server and seen_by_client))
