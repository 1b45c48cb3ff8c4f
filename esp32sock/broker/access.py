"""Which user may do what through a broker: a table, looked up by the credentials of the peer."""

from __future__ import annotations

import _socket
import enum
import errno
import grp
import os
import pwd
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.broker import protocol
from esp32sock.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterable

_UCRED = struct.Struct("iII")  # struct ucred: pid, uid, gid


class Right(enum.Enum):
    """What a verb needs."""

    LOOK = "look"
    CONNECT = "connect"
    LISTEN = "listen"
    COMMAND = "command"


NEEDS: dict[type, Right] = {
    protocol.GetStatus: Right.LOOK,
    protocol.GetStats: Right.LOOK,
    protocol.Watch: Right.LOOK,
    protocol.OpenStream: Right.CONNECT,
    protocol.OpenDatagram: Right.CONNECT,
    protocol.SetOptions: Right.CONNECT,
    protocol.Resolve: Right.CONNECT,
    protocol.NotePeer: Right.CONNECT,
    protocol.Listen: Right.LISTEN,
    protocol.NoteBound: Right.LISTEN,
    protocol.Accept: Right.LISTEN,
    protocol.Announce: Right.LISTEN,
    protocol.Execute: Right.COMMAND,
    protocol.Join: Right.COMMAND,
}
"""Abandon, Find and Finish need none: they reach only what the same user began."""

EVERYTHING = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel knows it from the time it connected."""

    pid: int
    uid: int
    gid: int

    def __str__(self) -> str:
        return f"process {self.pid} of user {_user_name(self.uid)}"


def peer_of(sock: _socket.socket) -> Peer:
    """The credentials of the other end of a Unix socket."""
    raw = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED.size)
    return Peer(*_UCRED.unpack(raw))


@dataclass(frozen=True, slots=True)
class Access:
    """Rights by user, by group and of all users; the broker's own user and root have all."""

    of_users: tuple[tuple[int, frozenset[Right]], ...] = ()
    of_groups: tuple[tuple[int, frozenset[Right]], ...] = ()
    of_all: frozenset[Right] = frozenset()

    @property
    def is_private(self) -> bool:
        """Whether only the broker's own user and root have any."""
        return not (self.of_users or self.of_groups or self.of_all)

    def rights_of(self, peer: Peer) -> frozenset[Right]:
        if peer.uid in (0, os.geteuid()):
            return EVERYTHING
        groups = _groups_of(peer)
        granted = [rights for uid, rights in self.of_users if uid == peer.uid]
        granted += [rights for gid, rights in self.of_groups if gid in groups]
        return self.of_all.union(*granted)

    @classmethod
    def parse(cls, rules: Iterable[str]) -> Access:
        """From `USER=look,connect`, `@GROUP=...` and `*=...`; `all` stands for every right.

        ValueError naming the rule for an unknown user, group or right.
        """
        users, groups, everybody = [], [], frozenset[Right]()
        for rule in rules:
            name, separator, text = rule.partition("=")
            if not separator:
                raise ValueError(f"{rule!r}: write USER=RIGHTS, @GROUP=RIGHTS or *=RIGHTS")
            rights = _rights(rule, text)
            try:
                if name == "*":
                    everybody |= rights
                elif name.startswith("@"):
                    groups.append((grp.getgrnam(name[1:]).gr_gid, rights))
                else:
                    users.append((pwd.getpwnam(name).pw_uid, rights))
            except KeyError:
                raise ValueError(f"{rule!r}: this machine has no {name!r}") from None
        return cls(tuple(users), tuple(groups), everybody)


def check(verb: protocol.Verb, rights: frozenset[Right], peer: Peer) -> None:
    """Error(EACCES) if the peer lacks the right that the verb needs."""
    needed = NEEDS.get(type(verb))
    if needed is not None and needed not in rights:
        raise Error(f"this broker does not allow {peer} to {needed.value}", errno=errno.EACCES)


def _rights(rule: str, text: str) -> frozenset[Right]:
    names = [name.strip() for name in text.split(",")]
    if names == ["all"]:
        return EVERYTHING
    try:
        return frozenset(map(Right, names))
    except ValueError:
        known = ", ".join(right.value for right in Right)
        raise ValueError(f"{rule!r}: the rights are {known}, or all") from None


def _groups_of(peer: Peer) -> set[int]:
    try:
        user = pwd.getpwuid(peer.uid)
    except KeyError:
        return {peer.gid}
    return {peer.gid, *os.getgrouplist(user.pw_name, peer.gid)}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
