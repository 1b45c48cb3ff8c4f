"""The commands of the simulated firmware; importing this registers them all."""

from esp32sock.simulator.firmware.commands import (  # noqa: F401
    addresses,
    basic,
    connect,
    dns,
    long_send,
    manufacturing,
    partitions,
    passive,
    scanning,
    sending,
    status,
    system,
    tcp_options,
    tls,
    uart,
    update,
    wifi,
)
