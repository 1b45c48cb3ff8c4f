"""Stores a file, fetches it back, lists the folder; passive, active, and over TLS."""

import ftplib
import hashlib
import io
import ssl
import sys

host, port, mode, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
content = b"".join(b"%d bytes of a file\r\n" % number for number in range(5000))
ftp: ftplib.FTP
if mode == "tls":
    ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=authority), timeout=30)
else:
    ftp = ftplib.FTP(timeout=30)
with ftp:
    ftp.connect(host, port)
    ftp.login("user", "password")
    if isinstance(ftp, ftplib.FTP_TLS):
        ftp.prot_p()
    ftp.set_pasv(mode != "active")
    ftp.storbinary("STOR file.bin", io.BytesIO(content))
    pieces: list[bytes] = []
    ftp.retrbinary("RETR file.bin", pieces.append)
    lines: list[str] = []
    ftp.retrlines("LIST", lines.append)
    print(hashlib.sha256(b"".join(pieces)).hexdigest() == hashlib.sha256(content).hexdigest())
    names = ftp.nlst()
    ftp.voidcmd("TYPE I")
    print(names, len(lines), ftp.size("file.bin") == len(content))
