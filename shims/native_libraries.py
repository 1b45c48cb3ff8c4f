"""Libraries that open sockets in C or Rust: nothing catches them, so their import is named on stderr."""

from __future__ import annotations

import sys
from typing import Any

from esp32sock.shims.bypass import name_once

LIBRARIES = {
    "MySQLdb._mysql": "mysqlclient (libmysqlclient)",
    "_mysql_connector": "the C extension of MySQL Connector (libmysqlclient)",
    "PyQt5.QtNetwork": "PyQt5.QtNetwork",
    "PyQt6.QtNetwork": "PyQt6.QtNetwork",
    "PySide2.QtNetwork": "PySide2.QtNetwork",
    "PySide6.QtNetwork": "PySide6.QtNetwork",
    "_awscrt": "awscrt",
    "_ldap": "python-ldap (libldap)",
    "_pygit2": "pygit2 (libgit2)",
    "cassandra.io.libevwrapper": "the libev reactor of the Cassandra driver",
    "confluent_kafka.cimpl": "confluent_kafka (librdkafka)",
    "curl_cffi": "curl_cffi (libcurl)",
    "cx_Oracle": "cx_Oracle",
    "gevent.resolver.cares": "the c-ares resolver of gevent",
    "grpc._cython.cygrpc": "grpc",
    "hf_xet": "hf_xet",
    "libtorrent": "libtorrent",
    "mpi4py.MPI": "mpi4py",
    "nanomsg": "nanomsg",
    "netsnmp.client_intf": "netsnmp",
    "oracledb.thick_impl": "the thick mode of oracledb",
    "psycopg2._psycopg": "psycopg2 (libpq)",
    "psycopg.pq": "psycopg (libpq)",
    "pycares": "pycares (c-ares)",
    "pycurl": "pycurl (libcurl)",
    "pymssql._mssql": "pymssql (FreeTDS)",
    "pynng": "pynng",
    "pyodbc": "pyodbc",
    "pyarrow._flight": "pyarrow.flight",
    "rados": "rados",
    "ray._raylet": "ray",
    "zmq.backend.cython": "pyzmq (libzmq)",
}
"""What to call each, by the module whose import brings its sockets."""


def name_imported() -> None:
    """Name those that are imported already."""
    for module in LIBRARIES.keys() & sys.modules.keys():
        importing(module)


def importing(module: Any, *_: Any) -> None:
    """The audit event `import`: name the module if it is one of them."""
    library = LIBRARIES.get(module)
    if library is not None:
        name_once(library, "opens its own sockets, which bypass the module and use this machine's network")
