"""Destinations, URLs and headers: what is taken, what is refused, and what is changed on the way."""

from __future__ import annotations

import errno
import socket
from http import HTTPStatus

import pytest

from esp32sock.gateway.destination import Destination, DestinationError, parse_destination
from esp32sock.gateway.failures import failure_of
from esp32sock.gateway.http_messages import (
    TargetError,
    absolute_target,
    is_authorized,
    passed_on,
    request_headers,
    tunnel_target,
)
from esp32sock.gateway.socks import Credentials, Reply

HOST = Destination("host.test", 80)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("host.test:80", "host.test", 80),
        ("10.0.2.2:0", "10.0.2.2", 0),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("[::ffff:10.0.2.2]:1", "10.0.2.2", 1),
        ("b\u00fccher.test:65535", "xn--bcher-kva.test", 65535),
    ],
)
def test_a_destination(text: str, host: str, port: int) -> None:
    assert parse_destination(text) == Destination(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:",
        ":80",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:8 0",
        "host:\u0665",
        f"host:{'9' * 5000}",
        "::1:80",
        "[::1",
        "[host:1]:80",
        "a b:80",
        "a\0b:80",
        f"{'x' * 256}:80",
        f"\u00fc{'x' * 80}:80",
    ],
)
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(DestinationError):
        parse_destination(text)


@pytest.mark.parametrize(
    ("method", "target", "destination", "path"),
    [
        (b"GET", b"http://host.test/a?b=c", HOST, b"/a?b=c"),
        (b"GET", b"HTTP://host.test", HOST, b"/"),
        (b"GET", b"http://host.test:8080/#part", Destination("host.test", 8080), b"/"),
        (b"GET", b"http://user:pass@host.test/", HOST, b"/"),
        (b"GET", b"http://host.test?q", HOST, b"/?q"),
        (b"OPTIONS", b"http://host.test", HOST, b"*"),
        (b"GET", b"http://[2001:db8::1]/", Destination("2001:db8::1", 80), b"/"),
    ],
)
def test_a_url(method: bytes, target: bytes, destination: Destination, path: bytes) -> None:
    assert absolute_target(method, target) == (destination, path)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/", 400),
        (b"*", 400),
        (b"host.test:80", 400),
        (b"http:///", 400),
        (b"http://host.test:port/", 400),
        (b"http://\xff/", 400),
        (b"https://host.test/", 501),
        (b"ftp://host.test/", 501),
    ],
)
def test_a_url_that_is_refused(target: bytes, status: int) -> None:
    with pytest.raises(TargetError) as refused:
        absolute_target(b"GET", target)
    assert refused.value.status == status


@pytest.mark.parametrize("target", [b"host.test", b"/", b"host.test:", b"host.test:99999", b"\xff:1", b":1"])
def test_a_tunnel_that_is_refused(target: bytes) -> None:
    with pytest.raises(TargetError):
        tunnel_target(target)


def test_headers_of_one_hop_stay_there() -> None:
    given = [
        (b"Host", b"other.test"),
        (b"Accept", b"*/*"),
        (b"Connection", b"keep-alive, X-Hop"),
        (b"x-hop", b"1"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"Proxy-Authorization", b"Basic abc"),
        (b"Upgrade", b"websocket"),
        (b"TE", b"trailers"),
        (b"Authorization", b"Basic def"),
    ]
    assert request_headers(given, HOST) == [
        (b"Host", b"host.test"),
        (b"Accept", b"*/*"),
        (b"Authorization", b"Basic def"),
        (b"Via", b"1.1 esp32sock"),
        (b"Connection", b"close"),
    ]
    assert request_headers([], Destination("2001:db8::1", 81))[0] == (b"Host", b"[2001:db8::1]:81")


def test_a_length_beside_chunks_goes() -> None:
    given = [(b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked"), (b"A", b"b")]
    assert passed_on(given) == given[1:]
    named = [(b"Connection", b"content-length"), (b"Content-Length", b"5")]
    assert passed_on(named) == named[1:]


@pytest.mark.parametrize(
    ("value", "is_right"),
    [
        (b"Basic YWxpY2U6c2VjcmV0", True),
        (b"basic  YWxpY2U6c2VjcmV0", True),
        (b"Basic YWxpY2U6c2VjcmVU", False),
        (b"Basic %%%", False),
        (b"Bearer YWxpY2U6c2VjcmV0", False),
        (b"", False),
    ],
)
def test_a_password(value: bytes, is_right: bool) -> None:
    headers = [(b"Proxy-Authorization", value)]
    assert is_authorized(headers, Credentials("alice", "secret")) == is_right
    assert is_authorized(headers, None)
    assert not is_authorized([], Credentials("alice", "secret"))


@pytest.mark.parametrize(
    ("error", "reply", "status"),
    [
        (OSError(errno.ECONNREFUSED, ""), Reply.CONNECTION_REFUSED, 502),
        (OSError(errno.EHOSTUNREACH, ""), Reply.HOST_UNREACHABLE, 502),
        (OSError(errno.ENETUNREACH, ""), Reply.NETWORK_UNREACHABLE, 502),
        (OSError(errno.ENETDOWN, ""), Reply.NETWORK_UNREACHABLE, 503),
        (OSError(errno.ETIMEDOUT, ""), Reply.TTL_EXPIRED, 504),
        (TimeoutError("timed out"), Reply.TTL_EXPIRED, 504),
        (OSError(errno.EMFILE, ""), Reply.GENERAL_FAILURE, 503),
        (OSError(errno.EAFNOSUPPORT, ""), Reply.ADDRESS_TYPE_NOT_SUPPORTED, 502),
        (PermissionError(errno.EACCES, ""), Reply.NOT_ALLOWED, 403),
        (OSError(errno.EIO, ""), Reply.GENERAL_FAILURE, 502),
        (OSError("without a number"), Reply.GENERAL_FAILURE, 502),
        (socket.gaierror(socket.EAI_NONAME, ""), Reply.HOST_UNREACHABLE, 502),
        (socket.gaierror(socket.EAI_AGAIN, ""), Reply.TTL_EXPIRED, 504),
        (socket.gaierror(socket.EAI_ADDRFAMILY, ""), Reply.ADDRESS_TYPE_NOT_SUPPORTED, 502),
    ],
)
def test_an_error_is_a_reply_and_a_status(error: OSError, reply: Reply, status: int) -> None:
    assert (failure_of(error).reply, failure_of(error).status) == (reply, HTTPStatus(status))
