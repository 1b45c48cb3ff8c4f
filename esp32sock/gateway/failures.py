"""What a client of a proxy is told when a connection cannot be had: one table for SOCKS and HTTP."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from http import HTTPStatus
from socket import EAI_ADDRFAMILY, EAI_AGAIN, gaierror

from esp32sock.gateway.socks import Reply


@dataclass(frozen=True, slots=True)
class Failure:
    """A reply of SOCKS5 and the status of HTTP that mean the same."""

    reply: Reply
    status: HTTPStatus


OTHER = Failure(Reply.GENERAL_FAILURE, HTTPStatus.BAD_GATEWAY)
NAME_NOT_FOUND = Failure(Reply.HOST_UNREACHABLE, HTTPStatus.BAD_GATEWAY)
TIMED_OUT = Failure(Reply.TTL_EXPIRED, HTTPStatus.GATEWAY_TIMEOUT)
NO_LINK = Failure(Reply.GENERAL_FAILURE, HTTPStatus.SERVICE_UNAVAILABLE)
"""All links of the module are in use."""
NO_MODULE = Failure(Reply.NETWORK_UNREACHABLE, HTTPStatus.SERVICE_UNAVAILABLE)
IPV6 = Failure(Reply.ADDRESS_TYPE_NOT_SUPPORTED, HTTPStatus.BAD_GATEWAY)
NOT_ALLOWED = Failure(Reply.NOT_ALLOWED, HTTPStatus.FORBIDDEN)

BY_ERRNO = {
    errno.ECONNREFUSED: Failure(Reply.CONNECTION_REFUSED, HTTPStatus.BAD_GATEWAY),
    errno.EHOSTUNREACH: Failure(Reply.HOST_UNREACHABLE, HTTPStatus.BAD_GATEWAY),
    errno.ENETUNREACH: Failure(Reply.NETWORK_UNREACHABLE, HTTPStatus.BAD_GATEWAY),
    errno.ENETDOWN: NO_MODULE,
    errno.ENODEV: NO_MODULE,
    errno.ETIMEDOUT: TIMED_OUT,
    errno.EMFILE: NO_LINK,
    errno.EAFNOSUPPORT: IPV6,
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
}


def failure_of(error: OSError) -> Failure:
    """The failure that an error of connecting, or of looking a name up, is for the client."""
    if isinstance(error, gaierror):
        return {EAI_AGAIN: TIMED_OUT, EAI_ADDRFAMILY: IPV6}.get(error.errno or 0, NAME_NOT_FOUND)
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    return BY_ERRNO.get(error.errno or 0, OTHER)


def is_link_over(error: OSError) -> bool:
    """Whether an error of a UDP socket is the end of its link; any other is that of one datagram."""
    return error.errno in (errno.ENETDOWN, errno.EPIPE, errno.EBADF, errno.ECONNABORTED)


def reason(error: OSError) -> str:
    """The error in words, without its number."""
    return error.strerror or str(error) or type(error).__name__
