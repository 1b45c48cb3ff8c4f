"""Chapters 6 to 8: what is stored, the examples and their notes, and updates."""

from .checking import OK, PROMPT, Chapter, says, takes

chapter = Chapter()
STATEMENTS = chapter.statements

BOTH = ("@fresh", "AT+CWMODE=3")
JOINED = ("AT+CWMODE=3",)
FIXED = 'AT+CIPSTART=4,"UDP","10.0.2.2",7005,1112,0'
CHANGING = 'AT+CIPSTART="UDP","10.0.2.2",7005,1112,2'
SENT = "|SEND OK|"

s = chapter("6")
for line in ("AT+UART=115200,8,1,0,3", "AT+UART_DEF=115200,8,1,0,3"):
    s(f"{line} is stored", takes(line), says("AT", OK, line, "@restart"))
for line, query, shown in (
    ("AT+CWDHCP=0,2", "AT+CWDHCP?", "+CWDHCP:1" + OK),
    ('AT+CIPSTAMAC="18:fe:35:98:d3:7b"', "AT+CIPSTAMAC?", '+CIPSTAMAC:"18:fe:35:98:d3:7b"|' + OK),
    ('AT+CIPAPMAC="1a:fe:36:97:d5:7b"', "AT+CIPAPMAC?", '+CIPAPMAC:"1a:fe:36:97:d5:7b"|' + OK),
    ('AT+CIPAP="192.168.5.1"', "AT+CIPAP?", '+CIPAP:"192.168.5.1","192.168.4.1","255.255.255.0"|' + OK),
    (
        'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.15"',
        "AT+CWDHCPS?",
        "+CWDHCPS=3,192.168.4.10,192.168.4.15" + OK,
    ),
    ('AT+CWSAP="ESP32","12345678",5,3,4,0', "AT+CWSAP?", '+CWSAP:"ESP32","12345678",5,3,4,0|' + OK),
):
    s(f"{line} is stored", says(query, shown, *BOTH, line, "@restart"))
s(
    "CIPSTA is stored",
    says("AT+CIPSTA?", '+CIPSTA:"192.168.6.100"|' + OK, 'AT+CIPSTA="192.168.6.100"', "@restart"),
)
s(
    "SAVETRANSLINK is stored",
    says("@raw again", "again", 'AT+SAVETRANSLINK=1,"10.0.2.2",7000', "AT+RST", "@pass 10"),
)
s("CWMODE is stored", says("AT+CWMODE?", "+CWMODE:3|" + OK, *BOTH, "@restart"))
s(
    "CWJAP is stored",
    says("AT+CWJAP?", r'~\+CWJAP:"abc".*', "@air", "AT+CWMODE=1", 'AT+CWJAP="abc","0123456789"', "@restart"),
)
s("CWAUTOCONN is stored", says("AT+CWJAP?", OK, "AT+CWAUTOCONN=0", "@restart"))
s(
    "and nothing else is",
    says("AT+CIPMUX?", "+CIPMUX:0|" + OK, "AT+CIPMUX=1", "@restart"),
    says("AT+CIPMODE?", "+CIPMODE:0|" + OK, "AT+CIPMODE=1", "@restart"),
    says("AT+CIPSTO?", "+CIPSTO:0|" + OK, "AT+CIPMUX=1", "AT+CIPSERVER=1", "AT+CIPSTO=10", "@restart"),
    says("AT+CIPSNTPCFG?", r"~\+CIPSNTPCFG:0.*", "AT+CIPSNTPCFG=8", "@restart"),
    says(
        "@raw abc",
        SENT + "|+IPD,3:abc",
        "AT+CIPDINFO=1",
        "@restart",
        'AT+CIPSTART="TCP","10.0.2.2",7000',
        "AT+CIPSEND=3",
    ),
)
s("the area is at 0xFA000", unseen="an address of the flash")

s = chapter("7.1")
s("the dialogue", unseen="test_document_examples.py::test_example has its bytes")
s("blanks behind commas", takes('AT+CWJAP="Espressif", ""', before=JOINED))
s(
    "more bytes than announced are answered by busy, then SEND OK",
    says(
        "@raw DGFYQ",
        r"~\|busy[^|]*\|\|SEND OK\|\|\+IPD,4:DGFY",
        'AT+CIPSTART="TCP","10.0.2.2",7000',
        "AT+CIPSEND=4",
    ),
)

s = chapter("7.2")
s("neither side is a server", says("AT+CIPSTATUS", r"~.*,0\|\|OK\|", 'AT+CIPSTART="UDP","10.0.2.2",7005'))
s(
    "the local port is random if it is not named",
    says("AT+CIPSTATUS", r'~.*"UDP","10.0.2.2",7005,(?!1112)\d+,0\|.*', 'AT+CIPSTART="UDP","10.0.2.2",7005'),
)

s = chapter("7.2.1")
s("the dialogue", unseen="test_document_examples.py::test_example has its bytes")
s("CONNECT with the id, and OK", says(FIXED, "4,CONNECT|" + OK, "AT+CIPMUX=1"))
s("1112 is the local port", says("AT+CIPSTATUS", r"~.*,7005,1112,0\|.*", "AT+CIPMUX=1", FIXED))
s("mode 0 receives from others too", says("@pass 1", "", "AT+CIPMUX=1", FIXED, "@datagram 1112 other"))
s(
    "and sends to the first peer",
    says(
        "@raw hello", SENT + "|+IPD,4,5:hello", "AT+CIPMUX=1", FIXED, "@datagram 1112 other", "AT+CIPSEND=4,5"
    ),
)
s(
    "another mode sends to the new one",
    *(
        says(
            "@raw hello",
            SENT + "|+IPD,4,16:from 7006: hello",
            "AT+CIPMUX=1",
            FIXED[:-1] + mode,
            "@datagram 1112 other",
            "AT+CIPSEND=4,5",
        )
        for mode in "12"
    ),
)
s("CLOSED with the id, and OK", says("AT+CIPCLOSE=4", "4,CLOSED|" + OK, "AT+CIPMUX=1", FIXED))

s = chapter("7.2.2")
s("the dialogue", unseen="test_document_examples.py::test_example has its bytes")
s(
    "mode 2 sends to whoever sent last",
    says("@raw hello", SENT + "|+IPD,16:from 7006: hello", CHANGING, "@datagram 1112 other", "AT+CIPSEND=5"),
)
s(
    "or to the peer that the command names",
    says("@raw hello", SENT + "|+IPD,16:from 7006: hello", CHANGING, 'AT+CIPSEND=5,"10.0.2.2",7006'),
)
s(
    "which holds once",
    says(
        "@raw hello",
        r"~\|SEND OK\|\|\+IPD,.*hello",
        CHANGING,
        'AT+CIPSEND=5,"10.0.2.2",7006',
        "@raw other",
        "AT+CIPSEND=5",
    ),
)
s("CLOSED and OK", says("AT+CIPCLOSE", "CLOSED|" + OK, CHANGING))

s = chapter("7.3")
s(
    "a TCP client in single connection, or UDP",
    says("AT+CIPSEND", "|ERROR|", "AT+CIPMUX=1", 'AT+CIPSTART=0,"TCP","10.0.2.2",7000'),
)

s = chapter("7.3.1")
s("the dialogue", unseen="test_document_examples.py::test_example has its bytes")
s(
    "the link stays behind `+++`",
    says(
        "AT+CIPSTATUS",
        r"~STATUS:3\|.*",
        'AT+CIPSTART="TCP","10.0.2.2",7000',
        "AT+CIPMODE=1",
        "AT+CIPSEND",
        "@raw +++",
    ),
)
s(
    "AT+CIPSEND goes back",
    says("AT+CIPSEND", PROMPT, 'AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPMODE=1", "AT+CIPSEND", "@raw +++"),
)
s(
    "`+++` typed one by one is none",
    says("@raw +", "+", 'AT+CIPSTART="TCP","10.0.2.2",7000', "AT+CIPMODE=1", "AT+CIPSEND", "@type ++"),
)
s(
    "CIPMODE=0 ends the mode, CIPCLOSE the link",
    says(
        "AT+CIPCLOSE",
        "CLOSED|" + OK,
        'AT+CIPSTART="TCP","10.0.2.2",7000',
        "AT+CIPMODE=1",
        "AT+CIPSEND",
        "@raw +++",
        "AT+CIPMODE=0",
    ),
)

s = chapter("7.3.2")
s("the dialogue", unseen="test_document_examples.py::test_example has its bytes")

s = chapter("7.4")
s("the dialogue", unseen="test_document_examples.py::test_server has its bytes")
s(
    "more than one client",
    says(
        "AT+CIPSTATUS",
        r"~.*\+CIPSTATUS:0,.*\+CIPSTATUS:1,.*",
        "AT+CIPMUX=1",
        "AT+CIPSERVER=1",
        "@client 333",
        "@client 333",
    ),
)
s(
    "a silent client is closed",
    says("@pass 5", "0,CLOSED|", "AT+CIPMUX=1", "AT+CIPSERVER=1", "AT+CIPSTO=4", "@client 333"),
)
s(
    "the first client has id 0",
    says("@raw iopd", SENT, "AT+CIPMUX=1", "AT+CIPSERVER=1", "@client 333", "AT+CIPSEND=0,4"),
)

s = chapter("8")
s("steps 1 to 7", unseen="a web site")
s(
    "AT+CIUPDATE updates where the network is connected",
    unseen="test_tcpip_answers.py::test_update has a server",
)
