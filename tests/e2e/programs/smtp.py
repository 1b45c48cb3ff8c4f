"""Sends a long mail with lines that begin with dots, in clear and after STARTTLS."""

import smtplib
import ssl
import sys

host, port, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3]
body = "\r\n".join(f"{'.' * (number % 4)}line {number}" for number in range(2000))
with smtplib.SMTP(host, port, timeout=30) as server:
    if server.has_extn("starttls") or (server.ehlo() and server.has_extn("starttls")):
        server.starttls(context=ssl.create_default_context(cafile=authority))
    refused = server.sendmail("me@example.org", ["you@example.org"], f"Subject: long\r\n\r\n{body}\r\n")
print("sent", refused)
