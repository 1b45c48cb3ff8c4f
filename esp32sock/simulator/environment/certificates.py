"""The certificates that a simulated module is shipped with, as a stock firmware is with Espressif's.

Made for this simulator and worth nothing elsewhere: the keys are public. Valid from 2019 to 2119, so a module
whose clock stands in 1970 cannot verify them.

A slot is named as AT+SYSMFG names it, `client_ca.0`: one of `KINDS` and a number. Others than the shipped
ones come with `Settings.certificates` (a scenario, a URL) or through AT+SYSMFG and AT+SYSFLASH.
"""

from __future__ import annotations

import re
from pathlib import Path

CA = """\
-----BEGIN CERTIFICATE-----
MIIBqTCCAU+gAwIBAgIBATAKBggqhkjOPQQDAjA7MRwwGgYDVQQKDBNlc3AzMnNv
Y2sgc2ltdWxhdG9yMRswGQYDVQQDDBJzaW11bGF0ZWQgRVNQMzIgQ0EwIBcNMTkw
MTAxMDAwMDAwWhgPMjExOTAxMDEwMDAwMDBaMDsxHDAaBgNVBAoME2VzcDMyc29j
ayBzaW11bGF0b3IxGzAZBgNVBAMMEnNpbXVsYXRlZCBFU1AzMiBDQTBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABPzOkeR5YTsZ8/M/1L35T83/TnLhDzwrXmyP9A1e
anJftizAW6k31C3vyCGE2FsJSHXCFjsE0FOi9LWKkp062XGjQjBAMA8GA1UdEwEB
/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBQlhMm+FvyxO5QMj8Vi
cZa86vYhuDAKBggqhkjOPQQDAgNIADBFAiBBXXGI3QbT/qNdQO25eImJ/YuB4eOG
tXd5wWyCqV/trwIhAIr9Eb8tvJj8ZOHKX30hBcD3ytMyqayHAZ5tNSJd6Rl5
-----END CERTIFICATE-----
"""

SERVER_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIB0DCCAXagAwIBAgIBAjAKBggqhkjOPQQDAjA7MRwwGgYDVQQKDBNlc3AzMnNv
Y2sgc2ltdWxhdG9yMRswGQYDVQQDDBJzaW11bGF0ZWQgRVNQMzIgQ0EwIBcNMTkw
MTAxMDAwMDAwWhgPMjExOTAxMDEwMDAwMDBaMDgxHDAaBgNVBAoME2VzcDMyc29j
ayBzaW11bGF0b3IxGDAWBgNVBAMMD2VzcDMyLnNpbXVsYXRlZDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABJK74g19ZDGPRle0HzU1RKh9QuAdNPIMKjP6QgcEoD/9
V0Uqx07clMLXki0F49J2Ew2Ag4h0gkEkbOCsGNPK7ISjbDBqMAwGA1UdEwEB/wQC
MAAwHwYDVR0jBBgwFoAUJYTJvhb8sTuUDI/FYnGWvOr2IbgwHQYDVR0OBBYEFJDf
27dVjtDCl4cFQC0hL7HkwEseMBoGA1UdEQQTMBGCD2VzcDMyLnNpbXVsYXRlZDAK
BggqhkjOPQQDAgNIADBFAiAeh9UY26V1lTzMGgIRyTkDqwv3bsp/6JR5gInQOQqQ
nQIhAPkyeM7Xj7NnSpHdRd86EfNi8IgiQWignJZqh5pQA6FT
-----END CERTIFICATE-----
"""

SERVER_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoryDJWHTXvpn0Erg
lxKOJ2KdEygympWSMm5lQErlfPGhRANCAASSu+INfWQxj0ZXtB81NUSofULgHTTy
DCoz+kIHBKA//VdFKsdO3JTC15ItBePSdhMNgIOIdIJBJGzgrBjTyuyE
-----END PRIVATE KEY-----
"""

CLIENT_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBuzCCAWGgAwIBAgIBAzAKBggqhkjOPQQDAjA7MRwwGgYDVQQKDBNlc3AzMnNv
Y2sgc2ltdWxhdG9yMRswGQYDVQQDDBJzaW11bGF0ZWQgRVNQMzIgQ0EwIBcNMTkw
MTAxMDAwMDAwWhgPMjExOTAxMDEwMDAwMDBaMD8xHDAaBgNVBAoME2VzcDMyc29j
ayBzaW11bGF0b3IxHzAdBgNVBAMMFmVzcDMyLWNsaWVudC5zaW11bGF0ZWQwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAASFA6hdCe6FmOW6Kr2HIln3c8pHQ0516KHD
P/Yhsn61vSjxIy97D7afSf2uiENKOR8h6lR+AG9ISAPBadYKuSp2o1AwTjAMBgNV
HRMBAf8EAjAAMB8GA1UdIwQYMBaAFCWEyb4W/LE7lAyPxWJxlrzq9iG4MB0GA1Ud
DgQWBBSr2gm6T9WbDmUJxLFGIcPM8Mui0zAKBggqhkjOPQQDAgNIADBFAiEAmkzE
hblA0Kf5kw/0phry9ALtceyA7vyVbLgIH3aL3VcCIBKHAl5oIV0GoWvdXguCdC5j
DW6AryYQ/EnKDta2jVDk
-----END CERTIFICATE-----
"""

CLIENT_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9kTRTism5BgjujR8
KFhBMknJGrWie+TF5L1h4WwdgXahRANCAASFA6hdCe6FmOW6Kr2HIln3c8pHQ051
6KHDP/Yhsn61vSjxIy97D7afSf2uiENKOR8h6lR+AG9ISAPBadYKuSp2
-----END PRIVATE KEY-----
"""

SLOTS = {
    "client_ca.0": CA,
    "client_cert.0": CLIENT_CERTIFICATE,
    "client_key.0": CLIENT_KEY,
    "server_ca.0": CA,
    "server_cert.0": SERVER_CERTIFICATE,
    "server_key.0": SERVER_KEY,
}
"""By partition and number, as AT+SYSMFG names them."""

KINDS = ("server_cert", "server_key", "server_ca", "client_cert", "client_key", "client_ca")
"""The partitions of SYSFLASH (observed 1.0, 2.0), the namespaces of SYSMFG (observed 4.1)."""

_NAME = re.compile(rf"({'|'.join(KINDS)})(\.[0-9]{{1,3}})?\Z")


def slot_of(name: str, text: str, base: Path = Path()) -> tuple[str, str]:
    """A slot as users give it: `client_ca` is number 0; the text is PEM, the name of a file that holds
    it (from `base` on), or empty for an empty slot. Raises ValueError, OSError for the file.
    """
    match = _NAME.match(name)
    if match is None:
        raise ValueError(
            f"no certificate slot {name!r}; there are {', '.join(KINDS)}, with .0, .1, ... behind"
        )
    if text and "-----BEGIN" not in text:
        text = (base / text).read_text("ascii")
    if text and "-----BEGIN" not in text:
        raise ValueError(f"{name}: no PEM in it")
    return match[1] + (match[2] or ".0"), text
