"""One message with its descriptors over a Unix socket, for both sides; sent whole or not at all."""

from __future__ import annotations

import _socket
import errno
import os
from array import array
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from esp32sock.broker import values
from esp32sock.broker.protocol import MAX_BYTES, MAX_DESCRIPTORS, Message
from esp32sock.broker.values import InvalidMessage
from esp32sock.errors import Error
from esp32sock.net.socketpairs import EngineEnd

if TYPE_CHECKING:
    from collections.abc import Sequence

_INT_BYTES = array("i").itemsize
_ROOM = _socket.CMSG_SPACE(MAX_DESCRIPTORS * _INT_BYTES)


class NoRoom(Error):
    """This process has no room for the descriptors of a message; they are lost, and what it says is not."""

    errno = errno.EMFILE

    def __init__(self, message: Any) -> None:
        super().__init__("the descriptors of a message could not be received: too many are open")
        self.message = message


def encoded(message: Message) -> bytes:
    """The record of a message; Error(EMSGSIZE) if it is too long for one."""
    record = values.dumps(message)
    if len(record) > MAX_BYTES:
        raise Error(
            f"{len(record)} bytes are too long for one message to or from a broker, which has at most "
            f"{MAX_BYTES}",
            errno=errno.EMSGSIZE,
        )
    return record


def send(sock: _socket.socket, record: bytes, ends: Sequence[_socket.socket] = ()) -> None:
    """Send a record and duplicates of these ends; OSError if the other side is gone."""
    descriptors = array("i", [end.fileno() for end in ends])
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)] if ends else []
    sock.sendmsg([record], rights, _socket.MSG_NOSIGNAL)


def receive(sock: _socket.socket) -> tuple[Any, list[EngineEnd]] | None:
    """The next message and the descriptors that came with it; None at the end of the connection.

    InvalidMessage for what is no message, NoRoom if this process has no room for its descriptors; the ends
    that came are closed then. BlockingIOError on a socket that does not block.
    """
    record, control, flags, _ = sock.recvmsg(MAX_BYTES + 1, _ROOM, _socket.MSG_CMSG_CLOEXEC)
    with ExitStack() as received:
        ends = _owned(_descriptors(control))
        for end in ends:
            received.callback(end.close)
        if not record:
            return None
        if flags & _socket.MSG_TRUNC or len(record) > MAX_BYTES:
            raise InvalidMessage(f"a record of over {MAX_BYTES} bytes")
        message = values.loads(record)
        if flags & _socket.MSG_CTRUNC:
            raise NoRoom(message)
        received.pop_all()
        return message, ends


def _descriptors(control: list[tuple[int, int, bytes]]) -> array[int]:
    descriptors = array("i")
    for level, kind, data in control:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % _INT_BYTES])
    return descriptors


def _owned(descriptors: array[int]) -> list[EngineEnd]:
    """Owners of descriptors that came; InvalidMessage, and none is left open, if one is no socket."""
    ends: list[EngineEnd] = []
    try:
        for fd in descriptors:
            end = EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK, 0, fd)
            ends.append(end)
    except OSError as error:
        for fd in descriptors[len(ends) :]:
            os.close(fd)
        for end in ends:  # not left to whatever keeps the frame of an exception
            end.close()
        raise InvalidMessage("a descriptor that is no socket") from error
    return ends
