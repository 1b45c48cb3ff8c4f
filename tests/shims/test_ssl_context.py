"""A ModuleContext takes nothing in silence: each setting of `ssl.SSLContext` is heeded, judged or refused."""

from __future__ import annotations

import inspect
import ssl
from typing import Any

import pytest

from esp32sock.shims.ssl import ModuleContext, Refused

HEEDED = {
    "check_hostname", "load_cert_chain", "load_verify_locations", "set_alpn_protocols", "verify_mode",
    "wrap_socket",
}  # fmt: skip
JUDGED_WHEN_IT_CONNECTS = {"maximum_version", "minimum_version", "options", "verify_flags"}
ONLY_READ = {
    "cert_store_stats", "get_ca_certs", "get_ciphers", "get_groups", "protocol", "security_level",
    "session_stats",
}  # fmt: skip
UNCHANGED = {
    "_msg_callback": None,
    "hostname_checks_common_name": True,
    "keylog_filename": None,
    "num_tickets": 2,
    "post_handshake_auth": False,
    "sni_callback": None,
    "sslobject_class": ssl.SSLObject,
    "sslsocket_class": ssl.SSLSocket,
}
CHANGED: dict[str, Any] = {
    "_msg_callback": print,
    "hostname_checks_common_name": False,
    "keylog_filename": "keys.log",
    "num_tickets": 1,
    "post_handshake_auth": True,
    "sni_callback": print,
    "sslobject_class": type("Object", (ssl.SSLObject,), {}),
    "sslsocket_class": type("Socket", (ssl.SSLSocket,), {}),
}
SERVERS_ONLY = {"num_tickets", "sni_callback"}
OTHERS = sorted(
    name
    for name in {*dir(ssl.SSLContext), "_msg_callback"}
    if name == "_msg_callback" or not name.startswith("_")
    if name not in HEEDED | JUDGED_WHEN_IT_CONNECTS | ONLY_READ
)


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_is_refused(name: str) -> None:
    context = ModuleContext()
    if inspect.isroutine(getattr(context, name)):
        with pytest.raises(Refused):
            getattr(context, name)(*["prime256v1"] * (name != "set_default_verify_paths"))
    else:
        with pytest.raises(Refused, match=name):
            setattr(context, name, CHANGED[name])
        assert getattr(context, name) == UNCHANGED[name]


@pytest.mark.parametrize("name", sorted(UNCHANGED.keys() - SERVERS_ONLY))
def test_what_changes_nothing_is_taken(name: str) -> None:
    context = ModuleContext()
    setattr(context, name, UNCHANGED[name])
    assert getattr(context, name) == UNCHANGED[name]
