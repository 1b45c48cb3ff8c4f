"""What `get` and `put` have in common with other HTTP clients: headers, redirects, a time-out."""

from __future__ import annotations

import argparse
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from esp32sock.cli.common import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 60.0
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")


def add_http(parser: argparse.ArgumentParser) -> None:
    """The options of a request."""
    parser.add_argument(
        "-H",
        "--header",
        metavar="HEADER",
        dest="headers",
        action="append",
        default=[],
        help="send this header too, 'Name: value'; may be repeated",
    )
    parser.add_argument(
        "-L",
        "--location",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="follow redirects; --no-location does not",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="S",
        help="give up when nothing moves for S seconds (default: %(default)g)",
    )


def check_http(arguments: argparse.Namespace) -> None:
    """UsageError for options that no request can have."""
    headers_from(arguments)
    if arguments.timeout <= 0:
        raise UsageError("--timeout must be positive")


def headers_from(arguments: argparse.Namespace) -> dict[str, str]:
    """The headers given; UsageError for one that is none."""
    found = {}
    for text in arguments.headers:
        header = HEADER.fullmatch(text)
        if header is None:
            raise UsageError(f"{text!r} is not a header like 'Name: value'")
        found[header[1]] = header[2].rstrip()
    return found


def opened(
    arguments: argparse.Namespace,
    url: str,
    *,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Any:
    """The answer to a request with these options; what urllib raises, a redirect not followed among it."""
    merged = {name.capitalize(): value for name, value in (headers or {}).items()}
    merged |= {name.capitalize(): value for name, value in headers_from(arguments).items()}
    request = urllib.request.Request(url, data, merged, method=method)
    handlers = () if arguments.location else (_NoRedirect(),)
    try:
        return urllib.request.build_opener(*handlers).open(request, timeout=arguments.timeout)
    except urllib.error.HTTPError as error:  # it is an answer, too, with its connection
        error.close()
        raise


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """No further request: the redirect is the answer, an error."""
