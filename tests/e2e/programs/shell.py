"""Runs a command on an SSH server and checks the server's key."""

import base64
import sys

import paramiko

with paramiko.SSHClient() as client:
    key = paramiko.Ed25519Key(data=base64.b64decode(sys.argv[3]))
    client.get_host_keys().add(f"[{sys.argv[1]}]:{sys.argv[2]}", "ssh-ed25519", key)
    client.connect(
        sys.argv[1], int(sys.argv[2]), "user", "password", timeout=30, banner_timeout=30, auth_timeout=30,
        look_for_keys=False, allow_agent=False,
    )  # fmt: skip
    entry, output, _ = client.exec_command("repeat 20000", timeout=30)
    entry.write("go\n")
    entry.flush()
    print(len(output.read()), output.channel.recv_exit_status())
