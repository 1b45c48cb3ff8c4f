"""The commands of the command line: name, help and the file of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One command; `module` is the file in this folder that has `add_arguments(parser)`."""

    help: str
    module: str
    has_subcommands: bool = False


SUBCOMMANDS = {
    "ports": Subcommand("list the serial ports and mark those that look like an ESP32", "ports"),
    "doctor": Subcommand("check everything from the port to the network and give advice", "doctor"),
    "info": Subcommand("show the module's firmware, settings and addresses", "info"),
    "wifi": Subcommand(
        "scan, join or leave an access point, set the station's addresses", "wifi", has_subcommands=True
    ),
    "ap": Subcommand("control the module's own access point", "ap", has_subcommands=True),
    "smartconfig": Subcommand("receive the network's name and password from a phone", "smartconfig"),
    "wps": Subcommand("join an access point by its WPS button", "wps"),
    "uart": Subcommand("show the serial line's settings or change them", "uart", has_subcommands=True),
    "sleep": Subcommand("put the module to sleep", "sleep"),
    "time": Subcommand("get the time from a time server", "clock"),
    "resolve": Subcommand("look up the address of a name", "resolve"),
    "ping": Subcommand("measure the round trip to a host", "ping"),
    "get": Subcommand("download a URL through the module", "get"),
    "put": Subcommand("upload a file to a URL through the module", "put"),
    "listen": Subcommand("accept connections and print the data that arrives", "listen"),
    "links": Subcommand("list the module's open connections", "links"),
    "at": Subcommand("send AT commands", "at"),
    "update": Subcommand("install new firmware over the air", "update"),
    "passthrough": Subcommand("connect stdin and stdout with one host", "passthrough"),
    "restore": Subcommand("reset the module to factory settings", "restore"),
    "config": Subcommand(
        "show where settings come from, check configuration files", "config", has_subcommands=True
    ),
    "serve": Subcommand("share a module with other programs (a broker)", "serve"),
    "proxy": Subcommand("let any program use the module, by SOCKS5 and HTTP", "proxy"),
    "forward": Subcommand("carry ports of this machine to the module's network, and back", "forward"),
    "service": Subcommand("print the files that make serve a service of the machine", "service"),
    "run": Subcommand("run a Python program over the module", "run"),
    "simulate": Subcommand("run a simulated module", "simulate"),
    "demo": Subcommand("run example programs over a simulated module", "demo"),
    "completion": Subcommand("print a completion script for bash or zsh", "completion"),
    "help": Subcommand("show the commands, or the arguments of one", "help"),
}
