"""Chapter 5: TCP/IP."""

from .checking import ERROR, OK, PROMPT, Chapter, refuses, says, takes

chapter = Chapter()
STATEMENTS = chapter.statements

TCP = 'AT+CIPSTART="TCP","10.0.2.2",7000'
SINK = 'AT+CIPSTART="TCP","10.0.2.2",7004'
SSL = 'AT+CIPSTART="SSL","10.0.2.2",7443'
UDP = 'AT+CIPSTART="UDP","10.0.2.2",7005'
MUX = "AT+CIPMUX=1"
SERVER = (MUX, "AT+CIPSERVER=1")
STATION = ("@fresh", "AT+CWMODE=1")
SENT = "|SEND OK|"

s = chapter("5.1")
s(
    "there are sixteen TCP/IP commands, and no later one",
    refuses(
        "AT+CIPSTATE?",
        "AT+CIPRECVMODE?",
        "AT+CIPDNS?",
        "AT+CIPSSLCCONF?",
        'AT+PING="10.0.2.2"',
        "AT+CIPSERVER?",
        "AT+CIPDINFO?",
    ),
)

s = chapter("5.2.1")
s(
    "STATUS and a line for each link",
    says(
        "AT+CIPSTATUS",
        r'~STATUS:3\|\+CIPSTATUS:0,"TCP","10.0.2.2",7000,\d+,0\|\+CIPSTATUS:2,"UDP","10.0.2.2",7005,\d+,0\|\|OK\|',
        MUX,
        'AT+CIPSTART=0,"TCP","10.0.2.2",7000',
        'AT+CIPSTART=2,"UDP","10.0.2.2",7005',
    ),
)
s("2: joined, and an address", says("AT+CIPSTATUS", "STATUS:2|" + OK))
s(
    "3: a TCP or UDP transmission",
    says("AT+CIPSTATUS", r"~STATUS:3\|.*", TCP),
    says("AT+CIPSTATUS", r"~STATUS:3\|.*", UDP),
)
s(
    "4: it is disconnected",
    *(says("AT+CIPSTATUS", "STATUS:4|" + OK, line, "AT+CIPCLOSE") for line in (TCP, UDP)),
)
s(
    "5: not joined",
    says("AT+CIPSTATUS", "STATUS:5|" + OK, *STATION),
    says("AT+CIPSTATUS", "STATUS:5|" + OK, TCP, "AT+CIPCLOSE", "AT+CWQAP"),
)
s("ids 0 to 4", says("AT+CIPSTATUS", r"~.*\+CIPSTATUS:4,.*", MUX, 'AT+CIPSTART=4,"TCP","10.0.2.2",7000'))
s(
    "types TCP and UDP",
    says("AT+CIPSTATUS", r'~.*:0,"UDP",.*', UDP),
    says("AT+CIPSTATUS", r'~.*:0,"TCP",.*', TCP),
)
s(
    "the last field is 0 for a client and 1 for a server",
    says("AT+CIPSTATUS", r"~.*,7000,\d+,0\|\|OK\|", TCP),
    says("AT+CIPSTATUS", r"~.*,\d+,333,1\|\|OK\|", *SERVER, "@client 333"),
)

s = chapter("5.2.2")
s("the address of a name", says('AT+CIPDOMAIN="host.test"', "+CIPDOMAIN:10.0.2.2|" + OK))
s("of a network", refuses('AT+CIPDOMAIN="host.test"', before=STATION), refuses('AT+CIPDOMAIN="nobody.test"'))

s = chapter("5.2.3")
s("with CIPMUX=0 without an id", takes(TCP), refuses('AT+CIPSTART=0,"TCP","10.0.2.2",7000'))
s(
    "with CIPMUX=1 with an id from 0 to 4",
    *(says(f'AT+CIPSTART={n},"TCP","10.0.2.2",7000', OK, MUX) for n in range(5)),
    refuses('AT+CIPSTART=5,"TCP","10.0.2.2",7000', 'AT+CIPSTART=-1,"TCP","10.0.2.2",7000', TCP, before=[MUX]),
)
s("OK or ERROR", says(TCP, OK), refuses('AT+CIPSTART="TCP","10.0.2.2",7999'))
s(
    "a name in place of the address",
    takes('AT+CIPSTART="TCP","host.test",7000'),
    refuses('AT+CIPSTART="TCP","nobody.test",7000'),
)
s(
    "type, address and port are needed",
    refuses(
        'AT+CIPSTART="TCP","10.0.2.2"',
        'AT+CIPSTART="TCP"',
        'AT+CIPSTART="tcp","10.0.2.2",7000',
        'AT+CIPSTART="XYZ","10.0.2.2",7000',
    ),
)
s(
    "a keep-alive of 0, off, to 7200 s",
    takes(f"{TCP},0", f"{TCP},1", f"{TCP},7200"),
    refuses(f"{TCP},-1", f"{TCP},7201"),
)
s(
    "off by default",
    unseen="it shows in the network: test_acting.py::test_keepalive_reaches_the_network",
)
s(
    "ALREADY CONNECT if there is one",
    says(TCP, "ALREADY CONNECT|" + ERROR, TCP),
    says(UDP, "ALREADY CONNECT|" + ERROR, UDP),
)
s(
    "UDP with local port and mode",
    says(f"{UDP},1112,0", "CONNECT|" + OK),
    says(f"{UDP},1112", "CONNECT|" + OK),
    says(UDP, "CONNECT|" + OK),
)
s(
    "UDP modes 0, 1 and 2",
    *(says(f"{UDP},1112,{n}", "CONNECT|" + OK) for n in (0, 1, 2)),
    refuses(f"{UDP},1112,3", f"{UDP},1112,-1"),
)
s("a mode needs a local port", refuses(f"{UDP},,2", f"{UDP},,0"))
s(
    "SSL",
    says(SSL, OK),
    says('AT+CIPSTART=2,"SSL","10.0.2.2",7443', OK, MUX),
    refuses('AT+CIPSTART="SSL","10.0.2.2",7000'),
)
s("SSL with a keep-alive", takes(f"{SSL},60"), refuses(f"{SSL},7201"))
s(
    "one SSL link at most",
    refuses('AT+CIPSTART=1,"SSL","10.0.2.2",7443', before=[MUX, 'AT+CIPSTART=0,"SSL","10.0.2.2",7443']),
)
s("no SSL in passthrough", refuses("AT+CIPSEND", before=[SSL, "AT+CIPMODE=1"]))
s("SSL needs much memory", says("AT+SYSRAM?", r"~\+SYSRAM:(?!148408)\d+\|OK\|", SSL))

s = chapter("5.2.4")
s("with CIPMUX=0 a length", says("AT+CIPSEND=4", PROMPT, TCP), refuses("AT+CIPSEND=0,4", before=[TCP]))
s(
    "with CIPMUX=1 an id and a length",
    says("AT+CIPSEND=0,4", PROMPT, MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000'),
    refuses("AT+CIPSEND=4", "AT+CIPSEND=1,4", before=[MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000']),
)
s(
    "with UDP an address and a port too",
    says("@raw hello", SENT + "|+IPD,16:from 7006: hello", UDP, 'AT+CIPSEND=5,"10.0.2.2",7006'),
    refuses('AT+CIPSEND=5,"10.0.2.2",7006', before=[TCP]),
)
s("`>` behind a line end, and nothing before", says("AT+CIPSEND=1", PROMPT, TCP))
s(
    "the bytes go out when the length is reached",
    says("@raw cd", SENT + "|+IPD,4:abcd", TCP, "AT+CIPSEND=4", "@raw ab"),
)
s("SEND OK", says("@raw abcd", SENT, SINK, "AT+CIPSEND=4"))
s("ERROR without a link", refuses("AT+CIPSEND=1", "AT+CIPSEND"))
s("ERROR if the link ends on the way", says("@raw abcd", ERROR, SINK, "AT+CIPSEND=4", "@close"))
s(
    "1 to 2048 bytes",
    says("AT+CIPSEND=1", PROMPT, TCP),
    says("AT+CIPSEND=2048", PROMPT, TCP),
    refuses("AT+CIPSEND=0", "AT+CIPSEND=2049", "AT+CIPSEND=-1", before=[TCP]),
)
PASSTHROUGH = (TCP, "AT+CIPMODE=1", "AT+CIPSEND")
s(
    "alone it starts passthrough",
    says("AT+CIPSEND", PROMPT, TCP, "AT+CIPMODE=1"),
    says("@raw anything", "anything", *PASSTHROUGH),
)
s("packets every 20 ms", unseen="test_passthrough.py::test_bytes_collect_for_20_ms")
s("of at most 2048 bytes", unseen="test_passthrough.py::test_a_burst_goes_out_in_datagrams_of_a_packet")
s(
    "a packet that is `+++` ends it",
    says("AT", OK, *PASSTHROUGH, "@raw +++"),
    says("@raw a+++", "a+++", *PASSTHROUGH),
)
s("the next command comes a second later", says("AT", OK, *PASSTHROUGH, "@raw +++", "@pass 1"))
s("only with CIPMODE=1", refuses("AT+CIPSEND", before=[TCP]))
s("only with one link", refuses("AT+CIPMODE=1", "AT+CIPSEND", before=[MUX]))
s(
    "with UDP only in mode 0",
    refuses("AT+CIPSEND", before=[f"{UDP},1112,2", "AT+CIPMODE=1"]),
    says("AT+CIPSEND", PROMPT, f"{UDP},1112,0", "AT+CIPMODE=1"),
)

s = chapter("5.2.5")
s(
    "as CIPSEND with a length",
    says("@raw abcd", SENT + "|+IPD,4:abcd", TCP, "AT+CIPSENDEX=4"),
    refuses("AT+CIPSENDEX", before=[TCP]),
)
s(
    "with an id, and with an address for UDP",
    says("AT+CIPSENDEX=0,4", PROMPT, MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000'),
    says('AT+CIPSENDEX=5,"10.0.2.2",7006', PROMPT, UDP),
)
s("`\\0` ends it", says("@raw ab\\\\0", SENT + "|+IPD,2:ab", TCP, "AT+CIPSENDEX=10"))
s("`\\\\0` sends `\\0`", says("@raw ab\\\\\\\\0\\\\0", SENT + "|+IPD,4:ab\\0", TCP, "AT+CIPSENDEX=10"))
s(
    "1 to 2048 bytes",
    says("AT+CIPSENDEX=2048", PROMPT, TCP),
    refuses("AT+CIPSENDEX=0", "AT+CIPSENDEX=2049", before=[TCP]),
)
s(
    "ERROR without a link, or if it ends",
    refuses("AT+CIPSENDEX=4"),
    says("@raw abcd", ERROR, SINK, "AT+CIPSENDEX=4", "@close"),
)
s("and then commands again", says("AT", OK, SINK, "AT+CIPSENDEX=4", "@raw ab\\\\0"))

s = chapter("5.2.6")
s("with one link alone", says("AT+CIPCLOSE", "CLOSED|" + OK, TCP), refuses("AT+CIPCLOSE=0", before=[TCP]))
s(
    "with several by id",
    says("AT+CIPCLOSE=0", "0,CLOSED|" + OK, MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000'),
    refuses("AT+CIPCLOSE", "AT+CIPCLOSE=1", before=[MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000']),
)
s(
    "5 closes all",
    says(
        "AT+CIPCLOSE=5",
        "0,CLOSED|2,CLOSED|" + OK,
        MUX,
        'AT+CIPSTART=0,"TCP","10.0.2.2",7000',
        'AT+CIPSTART=2,"TCP","10.0.2.2",7000',
    ),
    refuses("AT+CIPCLOSE=6", before=[MUX]),
)

s = chapter("5.2.7")
s(
    "addresses of SoftAP and station",
    says(
        "AT+CIFSR",
        r'~\+CIFSR:APIP,"192.168.4.1"\|\+CIFSR:APMAC,[^|]*\|\+CIFSR:STAIP,"10.0.2.15"\|\+CIFSR:STAMAC,[^|]*\|\|OK\|',
        "AT+CWMODE=3",
    ),
)
s("the station's while joined", says("AT+CIFSR", r'~\+CIFSR:STAIP,"0.0.0.0"\|.*', *STATION))

s = chapter("5.2.8")
s("the query", says("AT+CIPMUX?", "+CIPMUX:1|" + OK, MUX))
s("0 and 1", takes("AT+CIPMUX=0", "AT+CIPMUX=1"), refuses("AT+CIPMUX=2", "AT+CIPMUX="))
s("0 by default", says("AT+CIPMUX?", "+CIPMUX:0|" + OK))
s(
    "1 only with CIPMODE=0",
    refuses(MUX, before=["AT+CIPMODE=1"]),
    takes(MUX, before=["AT+CIPMODE=1", "AT+CIPMODE=0"]),
)
s(
    "not with a link",
    refuses(MUX, before=[TCP]),
    refuses("AT+CIPMUX=0", before=[MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000']),
    takes(MUX, before=[TCP, "AT+CIPCLOSE"]),
)
s(
    "0 not with a server",
    refuses("AT+CIPMUX=0", before=SERVER),
    takes("AT+CIPMUX=0", before=[*SERVER, "AT+CIPSERVER=0"]),
)

s = chapter("5.2.9")
s(
    "1 creates, 0 deletes",
    takes("AT+CIPSERVER=1", before=[MUX]),
    takes("AT+CIPSERVER=0", before=SERVER),
    refuses("AT+CIPSERVER=2", before=[MUX]),
)
s("port 333 by default", says("@pass 1", "", *SERVER, "@client 333"))
s(
    "or another",
    takes("AT+CIPSERVER=1,1001", before=[MUX]),
    says("@pass 1", "", MUX, "AT+CIPSERVER=1,1001", "@client 1001"),
    refuses("AT+CIPSERVER=1,65536", before=[MUX]),
)
s("needs CIPMUX=1", refuses("AT+CIPSERVER=1"))
s(
    "a client takes a link and an id",
    says(
        "AT+CIPSTATUS",
        r"~.*\+CIPSTATUS:0,.*\+CIPSTATUS:1,.*,1\|\|OK\|",
        MUX,
        "AT+CIPSERVER=1",
        'AT+CIPSTART=0,"TCP","10.0.2.2",7000',
        "@client 333",
    ),
)


s = chapter("5.2.10")
s("the query", says("AT+CIPMODE?", "+CIPMODE:1|" + OK, "AT+CIPMODE=1"))
s("0 and 1", takes("AT+CIPMODE=0", "AT+CIPMODE=1"), refuses("AT+CIPMODE=2", "AT+CIPMODE="))
s("1 only with CIPMUX=0", refuses("AT+CIPMODE=1", before=[MUX]))
s("UDP only with a fixed peer", refuses("AT+CIPSEND", before=[f"{UDP},1112,1", "AT+CIPMODE=1"]))
s("it is not stored", says("AT+CIPMODE?", "+CIPMODE:0|" + OK, "AT+CIPMODE=1", "@restart"))
s(
    "in passthrough a broken link is opened again",
    says("@raw again", "again", *PASSTHROUGH, "@close", "@pass 2"),
)
s("until `+++`", says("AT+CIPSTATUS", r"~STATUS:3\|.*", *PASSTHROUGH, "@close", "@pass 2", "@raw +++"))
s(
    "otherwise a line says that it broke",
    says("@pass 1", "", TCP, "@close"),
    says("AT+CIPSTATUS", "STATUS:4|" + OK, TCP, "@close", "@pass 10"),
)

s = chapter("5.2.11")
s(
    "1 saves",
    takes('AT+SAVETRANSLINK=1,"192.168.6.110",1002,"TCP"', 'AT+SAVETRANSLINK=1,"192.168.6.110",1002'),
    refuses(
        "AT+SAVETRANSLINK=2",
        "AT+SAVETRANSLINK=1",
        'AT+SAVETRANSLINK=1,"",1002',
        'AT+SAVETRANSLINK=1,"192.168.6.110",0',
    ),
)
s("0 is normal mode", takes("AT+SAVETRANSLINK=0"))
s("a name in place of the address", takes('AT+SAVETRANSLINK=1,"host.test",1002'))
s(
    "TCP or UDP",
    takes('AT+SAVETRANSLINK=1,"192.168.6.110",1002,"UDP"'),
    refuses('AT+SAVETRANSLINK=1,"192.168.6.110",1002,"SSL"', 'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"x"'),
)
s("TCP by default", says("@raw again", "again", 'AT+SAVETRANSLINK=1,"10.0.2.2",7000', "AT+RST", "@pass 10"))
s(
    "a keep-alive of 0 to 7200",
    takes(
        'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"TCP",0',
        'AT+SAVETRANSLINK=1,"192.168.6.110",1002,"TCP",7200',
    ),
    refuses('AT+SAVETRANSLINK=1,"192.168.6.110",1002,"TCP",7201'),
)
s(
    "UDP with a local port",
    takes('AT+SAVETRANSLINK=1,"192.168.6.110",1002,"UDP",1005'),
    refuses('AT+SAVETRANSLINK=1,"192.168.6.110",1002,"UDP",65536'),
)
s(
    "it is stored, and each start ends in passthrough",
    says("@raw hello", "hello", 'AT+SAVETRANSLINK=1,"10.0.2.2",7005,"UDP",1005', "AT+RST", "@pass 10"),
    says("AT", OK, 'AT+SAVETRANSLINK=1,"10.0.2.2",7000', "AT+SAVETRANSLINK=0", "@restart"),
)

s = chapter("5.2.12")
s("the query", says("AT+CIPSTO?", "+CIPSTO:10|" + OK, *SERVER, "AT+CIPSTO=10"))
s("0 to 7200 s", takes("AT+CIPSTO=0", "AT+CIPSTO=7200"), refuses("AT+CIPSTO=7201", "AT+CIPSTO=-1"))
s("a silent client is closed then", says("@pass 5", "0,CLOSED|", *SERVER, "AT+CIPSTO=4", "@client 333"))
s("with 0 never", says("@pass 8000", "", *SERVER, "AT+CIPSTO=0", "@client 333"))

s = chapter("5.2.13")
s(
    "the query",
    says(
        "AT+CIPSNTPCFG?",
        '+CIPSNTPCFG:1,8,"cn.ntp.org.cn","ntp.sjtu.edu.cn"|' + OK,
        'AT+CIPSNTPCFG=8,"cn.ntp.org.cn","ntp.sjtu.edu.cn"',
    ),
)
s(
    "zones -11 to 13",
    takes("AT+CIPSNTPCFG=-11", "AT+CIPSNTPCFG=13"),
    refuses("AT+CIPSNTPCFG=-12", "AT+CIPSNTPCFG=14"),
)
s("up to three servers", takes('AT+CIPSNTPCFG=8,"a","b","c"'), refuses('AT+CIPSNTPCFG=8,"a","b","c","d"'))
s(
    "three by default",
    says(
        "AT+CIPSNTPCFG?",
        '+CIPSNTPCFG:1,8,"cn.ntp.org.cn","ntp.sjtu.edu.cn","us.pool.ntp.org"|' + OK,
        "AT+CIPSNTPCFG=8",
    ),
)
s("1: configured, 0: not", says("AT+CIPSNTPCFG?", r"~\+CIPSNTPCFG:0.*\|\|OK\|"))
s("alone it clears", says("AT+CIPSNTPCFG?", r"~\+CIPSNTPCFG:0.*\|\|OK\|", "AT+CIPSNTPCFG=8", "AT+CIPSNTPCFG"))

s = chapter("5.2.14")
s(
    "the time",
    says(
        "AT+CIPSNTPTIME?",
        r"~\+CIPSNTPTIME:[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d 20\d\d\|OK\|",
        'AT+CIPSNTPCFG=8,"cn.ntp.org.cn","ntp.sjtu.edu.cn"',
    ),
)

s = chapter("5.2.15")
s("1 to 4 as it goes, and OK", unseen="test_tcpip_answers.py::test_update has a server")
s("ERROR without a network or server", refuses("AT+CIUPDATE"), refuses("AT+CIUPDATE", before=STATION))

s = chapter("5.2.16")
s("0 and 1", takes("AT+CIPDINFO=0", "AT+CIPDINFO=1"), refuses("AT+CIPDINFO=2"))
s(
    "1 shows address and port",
    says("@raw a", SENT + "|+IPD,1,10.0.2.2,7000:a", "AT+CIPDINFO=1", TCP, "AT+CIPSEND=1"),
)
s("0 does not", says("@raw a", SENT + "|+IPD,1:a", "AT+CIPDINFO=1", "AT+CIPDINFO=0", TCP, "AT+CIPSEND=1"))

s = chapter("5.2.17")
s("with one link", says("@raw abc", SENT + "|+IPD,3:abc", TCP, "AT+CIPSEND=3"))
s(
    "with several",
    says("@raw abc", SENT + "|+IPD,0,3:abc", MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",7000', "AT+CIPSEND=0,3"),
)
s(
    "address and port with CIPDINFO=1",
    says(
        "@raw abc",
        SENT + "|+IPD,0,3,10.0.2.2,7000:abc",
        "AT+CIPDINFO=1",
        MUX,
        'AT+CIPSTART=0,"TCP","10.0.2.2",7000',
        "AT+CIPSEND=0,3",
    ),
)
s("only in normal mode", says("@raw abc", "abc", *PASSTHROUGH))
