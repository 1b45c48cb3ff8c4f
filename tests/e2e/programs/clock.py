"""Asks a time server."""

import sys

import ntplib

answer = ntplib.NTPClient().request(sys.argv[1], version=4, port=int(sys.argv[2]), timeout=30)
print(answer.stratum, round(answer.tx_time))
