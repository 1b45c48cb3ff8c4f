"""The catalogue of commands, by chapter of the 2017 document."""

from esp32sock.at.commands.base import Command, Raw, SecretRaw, SimpleCommand

__all__ = ["Command", "Raw", "SecretRaw", "SimpleCommand"]
