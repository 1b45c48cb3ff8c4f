"""Reads the one mail of a mailbox."""

import poplib
import sys

mailbox = poplib.POP3(sys.argv[1], int(sys.argv[2]), timeout=30)
mailbox.user("user")
mailbox.pass_("password")
print(mailbox.stat())
_, lines, octets = mailbox.retr(1)
print(len(lines), octets)
print(mailbox.quit())
