"""Which of CPython's own tests are run over a simulated module: compat 4."""

from __future__ import annotations

import importlib
import socket
import unittest
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SOCKET_CLASSES = (
    "BasicTCPTest",
    "BasicUDPTest",
    "TCPCloserTest",
    "NonBlockingTCPTests",
    "FileObjectClassTestCase",
    "UnbufferedFileObjectClassTestCase",
    "NetworkConnectionNoServer",
    "NetworkConnectionAttributesTest",
    "NetworkConnectionBehaviourTest",
    "ContextManagersTest",
    "TCPTimeoutTest",
    "BufferIOTest",
    "SendfileUsingSendTest",
    "SendmsgTCPTest",
    "RecvmsgTCPTest",
    "GeneralModuleTests",
    "SendmsgUDP6Test",
    "RecvmsgUDP6Test",
    "RecvmsgIntoUDP6Test",
    "CreateServerTest",
    "CreateServerFunctionalTest",
)
MODULES = (
    "test.test_httplib",
    "test.test_urllib2_localnet",
    "test.test_smtplib",
    "test.test_poplib",
    "test.test_xmlrpc",
    "test.test_socketserver",
    "test.test_select",
    "test.test_asyncio.test_streams",
    "test.test_asyncio.test_sock_lowlevel",
)
QUICK = (
    "test.test_socket.BasicTCPTest",
    "test.test_socket.BasicUDPTest",
    "test.test_socket.NonBlockingTCPTests",
    "test.test_socket.FileObjectClassTestCase",
    "test.test_socket.NetworkConnectionAttributesTest",
    "test.test_socket.ContextManagersTest",
    "test.test_socket.TCPTimeoutTest",
    "test.test_socket.GeneralModuleTests",
    "test.test_socket.SendmsgUDP6Test",
    "test.test_asyncio.test_streams.StreamTests",
    "test.test_asyncio.test_sock_lowlevel.EPollEventLoopTests",
)
"""What `make test` has time for."""


WITHOUT_IPV6 = ("doc-v1", "0.10", "1.0", "1.2", "2.0", "2.1")
"""Profiles whose firmware has none (at-dialects 7.14)."""


def has_ipv6(profile: str) -> bool:
    """Whether there is IPv6: in this firmware, and on the loopback of this machine, which is used."""
    if profile in WITHOUT_IPV6:
        return False
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@dataclass(frozen=True, order=True)
class Unit:
    """One test class: what one process runs."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def units(patterns: Iterable[str] = ()) -> list[Unit]:
    """Every class of the plan, or those that have one of these texts in their names."""
    found = [Unit("test.test_socket", name) for name in SOCKET_CLASSES]
    for module in MODULES:
        found += [unit for unit in classes_of(module) if unit not in found]
    wanted = list(patterns)
    return [unit for unit in found if not wanted or any(pattern in str(unit) for pattern in wanted)]


def classes_of(module: str) -> list[Unit]:
    """The test classes of a module, in the order of their names."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(module))
    names = {type(case).__qualname__ for case in cases(suite) if type(case).__module__ == module}
    return [Unit(module, name) for name in sorted(names)]


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The tests of a suite of suites."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from cases(each)
        else:
            yield each
