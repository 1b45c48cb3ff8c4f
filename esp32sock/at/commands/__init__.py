"""The catalogue of commands, by chapter of the 2017 document."""

from esp32sock.at.commands.base import Command, Plain, Raw, SecretRaw

__all__ = ["Command", "Plain", "Raw", "SecretRaw"]
