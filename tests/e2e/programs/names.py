"""Asks a name server by UDP and by TCP; a long answer comes cut by UDP and is asked for again by TCP."""

import sys

import dns.message
import dns.query

where, port = sys.argv[1], int(sys.argv[2])
question = dns.message.make_query("short.example.", "A")
for ask in (dns.query.udp, dns.query.tcp):
    print(ask(question, where, port=port, timeout=30).answer[0].to_text())
long_question = dns.message.make_query("long.example.", "TXT")
answer, by_tcp = dns.query.udp_with_fallback(long_question, where, port=port, timeout=30)
print(by_tcp, len(answer.answer[0]))
