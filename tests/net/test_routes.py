"""The routing table."""

from __future__ import annotations

import pytest

from esp32sock.net.routes import Routes


def test_loopback_is_the_host_s_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESP32SOCK_DIRECT", raising=False)
    for routes in (Routes(), Routes.from_environment()):
        for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost", "localhost.", "a.localhost"):
            assert routes.to_host(host)
        for host in ("10.0.0.1", "128.0.0.1", "0.0.0.0", "example.com", "notlocalhost", "::2", ""):
            assert not routes.to_host(host)


@pytest.mark.parametrize("direct", ["none", "None", "", (), []])
def test_nothing(direct: object) -> None:
    routes = Routes(direct)  # type: ignore[arg-type]
    assert not routes.to_host("127.0.0.1")
    assert not routes.to_host("localhost")


def test_networks_names_and_suffixes() -> None:
    routes = Routes("192.168.1.0/24, 10.0.0.7,nas, .lan, *.corp.example ,192.168.7.9/16")
    for host in (
        "192.168.1.200",
        "10.0.0.7",
        "nas",
        "NAS.",
        "printer.lan",
        "x.y.corp.example",
        "192.168.200.1",
    ):
        assert routes.to_host(host)
    for host in ("10.0.0.8", "127.0.0.1", "lan", "nas.example", "corp.example", "172.16.0.1"):
        assert not routes.to_host(host)
    assert Routes(["10.0.0.0/8"]).to_host("10.1.2.3")


def test_a_function_chooses() -> None:
    routes = Routes(lambda host: host.startswith("10."))
    assert routes.to_host("10.0.0.1")
    assert not routes.to_host("127.0.0.1")


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESP32SOCK_DIRECT", "none")
    assert not Routes.from_environment().to_host("127.0.0.1")
    monkeypatch.setenv("ESP32SOCK_DIRECT", "10.0.0.0/8")
    assert Routes.from_environment().to_host("10.0.0.1")


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "::1/129", "fe80::/x", ":", "two words", "a/b"])
def test_what_is_no_route(entry: str) -> None:
    with pytest.raises(ValueError, match="direct route"):
        Routes(entry)
