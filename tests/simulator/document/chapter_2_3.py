"""Chapters 2 and 3: forms of commands, and the basic commands."""

from .checking import OK, Chapter, refuses, says, takes

chapter = Chapter()
STATEMENTS = chapter.statements

s = chapter("2")
s("`=?` asks for the values of a set command", says("AT+CWMODE=?", "+CWMODE:(1-3)|" + OK))
s("`?` asks for what is in force", says("AT+CIPMUX?", "+CIPMUX:0|" + OK))
s("`=<...>` sets", says("AT+CIPMUX?", "+CIPMUX:1|" + OK, "AT+CIPMUX=1"))
s("a command alone runs without arguments", says("AT+CIFSR", r"~(\+CIFSR:[^|]*\|)+\|OK\|"))
s(
    "not every command has all four forms",
    refuses("AT+CIPMUX=?", "AT+CIPMUX", "AT+GMR?", "AT+GMR=?", "AT+GMR=1", "AT+CIPSTART?", "AT+SLEEP"),
)
s("what stands in brackets may be left out", takes('AT+SAVETRANSLINK=1,"192.168.6.110",1002'))
s(
    "strings stand in double quotes",
    takes('AT+CWSAP="ESP756290","21030826",1,4', before=["@fresh"]),
    refuses('AT+CWSAP=ESP756290,"21030826",1,4', 'AT+CWSAP="ESP756290",21030826,1,4', before=["@fresh"]),
)
s("115200 baud by default", unseen="the document has no query; test_uart.py has the speed of the line")
s("commands are written in capitals", refuses("at", "AT+gmr", "at+cipmux?", "ate0"), takes("AT"))
s(
    "and end in CR LF",
    says("@raw AT\\n", ""),
    says("@raw AT\\r", ""),
    says("@raw \\r\\n", OK, "@raw AT"),
    says("@raw AT\\r\\n", OK),
)

s = chapter("3.1")
s(
    "there are eleven basic commands",
    takes("AT+UART=115200,8,1,0,0", "AT+UART_CUR=115200,8,1,0,0", "AT+UART_DEF=115200,8,1,0,0"),
    takes("AT+SLEEP=0", "ATE0"),
    refuses("AT+CIPSNTPINTV?", "AT+SYSLOG=1", "AT+CMD?"),
)

s = chapter("3.2.1")
s("AT answers OK", takes("AT"))

s = chapter("3.2.2")
s("AT+RST answers OK", says("AT+RST", OK + "|ready|"))
s(
    "and the module restarts",
    says("AT", "AT|" + OK, "AT+CIPMUX=1", "AT+RST"),
    says("AT+CIPMUX?", "+CIPMUX:0|" + OK, "AT+CIPMUX=1", "@restart"),
)

s = chapter("3.2.3")
s(
    "AT version, SDK version, time of compilation, OK",
    says("AT+GMR", r"~AT version:[^|]+\|SDK version:[^|]+\|compile time:[^|]+\|\|OK\|"),
)

s = chapter("3.2.4")
s("AT+GSLP answers the time and OK", says("AT+GSLP=2000", "2000|" + OK + "|ready|"))
s(
    "the time is in milliseconds, and then the module wakes",
    says("AT", "", "AT+GSLP=60000"),
    says("AT", OK, "AT+GSLP=2000", "@wake"),
)

s = chapter("3.2.5")
s("ATE0 turns the echo off", takes("ATE0"), says("AT", OK, "ATE0"))
s("ATE1 turns it on", says("ATE1", OK), says("AT", "AT|" + OK, "ATE1"))

s = chapter("3.2.6")
s("AT+RESTORE answers OK", says("AT+RESTORE", OK + "|ready|"))
s(
    "what is stored is reset",
    says("AT+CWMODE?", "+CWMODE:2|" + OK, "AT+CWMODE=3", "AT+RESTORE", "ATE0"),
    says("AT+CWJAP?", OK, "AT+RESTORE", "ATE0", "AT+CWMODE=1"),
)
s("and the module restarts", says("AT+CIPMUX?", "+CIPMUX:0|" + OK, "AT+CIPMUX=1", "AT+RESTORE", "ATE0"))


def _uart(section: str, name: str) -> None:
    s = chapter(section)
    s(
        f"{name} has five numbers and answers OK",
        takes(f"AT+{name}=115200,8,1,0,3"),
        refuses(f"AT+{name}=115200,8,1,0", f"AT+{name}=115200,8,1,0,0,0"),
    )
    s(
        "80 to 5000000 baud",
        takes(*(f"AT+{name}={n},8,1,0,0" for n in (80, 115200, 5000000))),
        refuses(*(f"AT+{name}={n},8,1,0,0" for n in (0, 79, 5000001))),
    )
    s(
        "5 to 8 data bits",
        takes(*(f"AT+{name}=115200,{n},1,0,0" for n in (5, 6, 7, 8))),
        refuses(*(f"AT+{name}=115200,{n},1,0,0" for n in (4, 9))),
    )
    s(
        "1, 1.5 and 2 stop bits are 1 to 3",
        takes(*(f"AT+{name}=115200,8,{n},0,0" for n in (1, 2, 3))),
        refuses(*(f"AT+{name}=115200,8,{n},0,0" for n in (0, 4))),
    )
    s(
        "no, odd and even parity are 0 to 2",
        takes(*(f"AT+{name}=115200,8,1,{n},0" for n in (0, 1, 2))),
        refuses(*(f"AT+{name}=115200,8,1,{n},0" for n in (-1, 3))),
    )
    s(
        "no flow control, RTS, CTS and both are 0 to 3",
        takes(*(f"AT+{name}=115200,8,1,0,{n}" for n in (0, 1, 2, 3))),
        refuses(*(f"AT+{name}=115200,8,1,0,{n}" for n in (-1, 4))),
    )
    s("IO15 is CTS and IO14 RTS", unseen="wiring; the profile's table of pins is the client's")
    s("no query is named", refuses(f"AT+{name}?"))


_uart("3.2.7", "UART")
s = chapter("3.2.7")
s(
    "it is stored",
    unseen="the document has no query; test_restart.py::test_uart_settings_and_the_restart shows it",
)
_uart("3.2.8", "UART_CUR")
s = chapter("3.2.8")
s(
    "it is not stored",
    unseen="the document has no query; test_restart.py::test_uart_settings_and_the_restart shows it",
)
_uart("3.2.9", "UART_DEF")
s = chapter("3.2.9")
s(
    "it is stored",
    unseen="the document has no query; test_restart.py::test_uart_settings_and_the_restart shows it",
)

s = chapter("3.2.10")
s(
    "0 and 1 are modes, all else ERROR",
    takes("AT+SLEEP=0", "AT+SLEEP=1"),
    refuses("AT+SLEEP=2", "AT+SLEEP=-1", "AT+SLEEP="),
)
s("no query is named", refuses("AT+SLEEP?"))

s = chapter("3.2.11")
s("+SYSRAM and a number of bytes", says("AT+SYSRAM?", r"~\+SYSRAM:\d+\|OK\|"))
s("148408 bytes in the example", says("AT+SYSRAM?", "+SYSRAM:148408" + OK))
