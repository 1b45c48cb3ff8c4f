"""Reads the one mail of a mailbox."""

import imaplib
import sys

with imaplib.IMAP4(sys.argv[1], int(sys.argv[2]), timeout=30) as mailbox:
    mailbox.login("user", "password")
    print(mailbox.select("INBOX"))
    kind, found = mailbox.fetch("1", "(RFC822)")
    print(kind, len(found[0][1]) if found and isinstance(found[0], tuple) else None)
