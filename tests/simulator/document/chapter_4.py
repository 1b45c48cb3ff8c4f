"""Chapter 4: Wi-Fi."""

from .checking import ERROR, OK, Chapter, refuses, says, takes

chapter = Chapter()
STATEMENTS = chapter.statements

FRESH, AIR = "@fresh", "@air"
STATION = (FRESH, "AT+CWMODE=1")
SOFTAP = (FRESH, "AT+CWMODE=2")
BOTH = (FRESH, "AT+CWMODE=3")
GUARDED = (AIR, "AT+CWMODE=1")

s = chapter("4.1")
s(
    "there are seventeen Wi-Fi commands, and no later one",
    refuses("AT+CWSTATE?", "AT+CWHOSTNAME?", "AT+CWCOUNTRY?", "AT+CWQIF", "AT+CWRECONNCFG?"),
)

s = chapter("4.2.1")
s("the test form answers", says("AT+CWMODE=?", r"~\+CWMODE:.*\|\|OK\|"))
s("the query answers the mode", says("AT+CWMODE?", "+CWMODE:1|" + OK))
s(
    "1, 2 and 3 are modes",
    takes("AT+CWMODE=1", "AT+CWMODE=2", "AT+CWMODE=3", before=[FRESH]),
    refuses("AT+CWMODE=0", "AT+CWMODE=4", "AT+CWMODE=1,1", before=[FRESH]),
)
s("it is stored", says("AT+CWMODE?", "+CWMODE:3|" + OK, *BOTH, "@restart"))

s = chapter("4.2.2")
s(
    "the query answers SSID, BSSID, channel and strength",
    says("AT+CWJAP?", r'~\+CWJAP:"Espressif","10:01:00:c4:0a:51",5,-\d+\|\|OK\|'),
)
s("joining answers OK", says('AT+CWJAP="abc","0123456789"', OK, *GUARDED))
s("a failure has a code and ERROR", says('AT+CWJAP="nobody",""', "+CWJAP:3|" + ERROR, *STATION))
s(
    "the password has at most 64 bytes",
    says(f'AT+CWJAP="nobody","{64 * "p"}"', "+CWJAP:3|" + ERROR, *STATION),
    refuses(f'AT+CWJAP="nobody","{65 * "p"}"', before=STATION),
)
s(
    "the BSSID tells access points of one SSID apart",
    says('AT+CWJAP="abc","0123456789","ca:d7:19:d8:a6:44"', OK, *GUARDED),
    says('AT+CWJAP="abc","0123456789","ca:d7:19:d8:a6:99"', "+CWJAP:3|" + ERROR, *GUARDED),
)
s("1: it took too long", unseen="test_scenario.py makes joins fail so")
s("2: wrong password", says('AT+CWJAP="abc","x123456789"', "+CWJAP:2|" + ERROR, *GUARDED))
s("3: no such access point", says('AT+CWJAP="nobody","x"', "+CWJAP:3|" + ERROR, *STATION))
s("4: it failed", says('AT+CWJAP="Espressif","x"', "+CWJAP:4|" + ERROR, *STATION))
s("the station must be on", refuses('AT+CWJAP="Espressif",""', before=SOFTAP))
s(
    "comma, quote and backslash are escaped",
    says('AT+CWJAP="ab\\\\\\,c","0123456789\\"\\\\"', OK, *GUARDED),
    says("AT+CWJAP?", r'~\+CWJAP:"ab\\,c",.*', *GUARDED, 'AT+CWJAP="ab\\\\\\,c","0123456789\\"\\\\"'),
)
s("it is stored", says("AT+CWJAP?", r'~\+CWJAP:"abc".*', *GUARDED, 'AT+CWJAP="abc","0123456789"', "@restart"))

s = chapter("4.2.3")
s(
    "two numbers, OK or ERROR",
    takes("AT+CWLAPOPT=1,31", "AT+CWLAPOPT=0,31"),
    refuses("AT+CWLAPOPT=2,31", "AT+CWLAPOPT=1", "AT+CWLAPOPT=1,31,1"),
)
s(
    "1 orders by strength",
    says(
        "AT+CWLAP", '+CWLAP:"OpenNetworkA1"|+CWLAP:"Espressif"|+CWLAP:"MasseyWifi"|' + OK, "AT+CWLAPOPT=1,2"
    ),
)
for bit, shown in enumerate((r"0", r'"\w+"', r"-\d+", r'"[0-9a-f:]{17}"', r"\d+")):
    what = ("encryption", "SSID", "strength", "MAC address", "channel")[bit]
    s(
        f"bit {bit} is the {what}",
        says("AT+CWLAP", rf"~(\+CWLAP:{shown}\|){{3}}\|OK\|", f"AT+CWLAPOPT=1,{1 << bit}"),
    )
s(
    "31 shows all",
    says("AT+CWLAP", r'~(\+CWLAP:0,"\w+",-\d+,"[0-9a-f:]{17}",\d+\|){3}\|OK\|', "AT+CWLAPOPT=1,31"),
)
s("there are five bits", refuses("AT+CWLAPOPT=1,32", "AT+CWLAPOPT=1,-1"))

s = chapter("4.2.4")
s("execute lists all", says("AT+CWLAP", r"~(\+CWLAP:[^|]*\|){3}\|OK\|"))
s(
    "set looks for an SSID, a MAC address and a channel",
    says('AT+CWLAP="Espressif"', r'~\+CWLAP:0,"Espressif",-\d+,"10:01:00:c4:0a:51",5\|\|OK\|'),
    says('AT+CWLAP="Espressif","10:01:00:c4:0a:51",5', r'~\+CWLAP:0,"Espressif",.*'),
    says('AT+CWLAP="Espressif","10:01:00:c4:0a:51",6', OK),
    says('AT+CWLAP="Espressif","10:01:00:c4:0a:99",5', OK),
)
s(
    "encryption, SSID, strength, MAC address, channel",
    says('AT+CWLAP="abc"', r'~\+CWLAP:3,"abc",-\d+,"ca:d7:19:d8:a6:44",6\|\|OK\|', *GUARDED),
)
s(
    "5 is WPA2 Enterprise, which AT cannot join",
    says('AT+CWLAP="company"', r'~\+CWLAP:5,"company",.*', *GUARDED),
    says('AT+CWJAP="company","secret88"', r"~\+CWJAP:\d\|\|ERROR\|", *GUARDED),
)

s = chapter("4.2.5")
s("AT+CWQAP answers OK", takes("AT+CWQAP"))
s(
    "and leaves the access point",
    says("AT+CWJAP?", OK, "AT+CWQAP"),
    says("AT+CIPSTATUS", "STATUS:5|" + OK, "AT+CWQAP"),
)

s = chapter("4.2.6")
s("the query answers six fields", says("AT+CWSAP?", r'~\+CWSAP:"[^"]+","",1,0,\d+,0\|\|OK\|', FRESH))
s(
    "SSID, password, channel, encryption",
    takes('AT+CWSAP="ESP32","1234567890",5,3', before=SOFTAP),
    refuses('AT+CWSAP="ESP32","1234567890",5', before=SOFTAP),
)
s(
    "the password has 8 to 64 bytes",
    takes(*(f'AT+CWSAP="ESP32","{n * "p"}",5,3' for n in (8, 64)), before=SOFTAP),
    refuses(*(f'AT+CWSAP="ESP32","{n * "p"}",5,3' for n in (7, 65)), before=SOFTAP),
)
s(
    "0, 2, 3 and 4 are encryptions, WEP is not",
    takes(*(f'AT+CWSAP="ESP32","12345678",5,{n}' for n in (0, 2, 3, 4)), before=SOFTAP),
    refuses(*(f'AT+CWSAP="ESP32","12345678",5,{n}' for n in (1, 5)), before=SOFTAP),
)
s(
    "at most 1 to 10 stations",
    takes(*(f'AT+CWSAP="ESP32","12345678",5,3,{n}' for n in (1, 10)), before=SOFTAP),
    refuses(*(f'AT+CWSAP="ESP32","12345678",5,3,{n}' for n in (0, 11)), before=SOFTAP),
)
s(
    "the SSID is broadcast or not, 0 or 1",
    takes(*(f'AT+CWSAP="ESP32","12345678",5,3,4,{n}' for n in (0, 1)), before=SOFTAP),
    refuses('AT+CWSAP="ESP32","12345678",5,3,4,2', before=SOFTAP),
)
s(
    "by default it is",
    says(
        "AT+CWSAP?",
        r"~.*,0\|\|OK\|",
        *SOFTAP,
        'AT+CWSAP="E","12345678",5,3,4,1',
        'AT+CWSAP="E","12345678",5,3',
    ),
)
s("the SoftAP must be on", refuses('AT+CWSAP="ESP32","12345678",5,3', before=STATION))
s(
    "it is stored",
    says(
        "AT+CWSAP?",
        '+CWSAP:"ESP32","12345678",5,3,4,1|' + OK,
        *SOFTAP,
        'AT+CWSAP="ESP32","12345678",5,3,4,1',
        "@restart",
    ),
)

s = chapter("4.2.7")
s(
    "address and MAC address of each station, OK",
    says("AT+CWLIF", "192.168.4.2, aa:bb:cc:00:00:01|" + OK, FRESH, "@station aa:bb:cc:00:00:01"),
    says("AT+CWLIF", OK, FRESH),
)
s("only with DHCP of the SoftAP", says("AT+CWLIF", OK, FRESH, "AT+CWDHCP=0,2", "@station aa:bb:cc:00:00:01"))

s = chapter("4.2.8")
s(
    "bit 0 is the station's, bit 1 the SoftAP's",
    says("AT+CWDHCP?", "+CWDHCP:3" + OK),
    says("AT+CWDHCP?", "+CWDHCP:2" + OK, "AT+CWDHCP=0,1"),
    says("AT+CWDHCP?", "+CWDHCP:1" + OK, "AT+CWDHCP=0,2"),
)
s(
    "0 turns off and 1 on",
    takes("AT+CWDHCP=0,1", "AT+CWDHCP=1,2", "AT+CWDHCP=1,3"),
    refuses("AT+CWDHCP=2,1", "AT+CWDHCP=1,4", "AT+CWDHCP=1,0", "AT+CWDHCP=1"),
)
s("it is stored", says("AT+CWDHCP?", "+CWDHCP:1" + OK, "AT+CWDHCP=0,2", "@restart"))
s(
    "DHCP ends a fixed address",
    says("AT+CIPSTA?", '+CIPSTA:"10.0.2.15"|' + OK, 'AT+CIPSTA="192.168.6.100"', "AT+CWDHCP=1,1"),
)
s(
    "a fixed address ends DHCP",
    says("AT+CWDHCP?", "+CWDHCP:2" + OK, 'AT+CIPSTA="192.168.6.100"'),
    says("AT+CWDHCP?", "+CWDHCP:1" + OK, *BOTH, 'AT+CIPAP="192.168.5.1"'),
)
s(
    "the last of both holds",
    says("AT+CIPSTA?", '+CIPSTA:"192.168.6.100"|' + OK, "AT+CWDHCP=1,1", 'AT+CIPSTA="192.168.6.100"'),
)
s("2 and then 1,1 is 3", says("AT+CWDHCP?", "+CWDHCP:3" + OK, "AT+CWDHCP=0,1", "AT+CWDHCP=1,1"))
s("3 and then 0,2 is 1", says("AT+CWDHCP?", "+CWDHCP:1" + OK, "AT+CWDHCP=0,2"))

RANGE = '"192.168.4.10","192.168.4.15"'
s = chapter("4.2.9")
s("the query has an equals sign", says("AT+CWDHCPS?", "+CWDHCPS=120,192.168.4.2,192.168.4.101" + OK, *BOTH))
s(
    "1 sets a range",
    says("AT+CWDHCPS?", "+CWDHCPS=3,192.168.4.10,192.168.4.15" + OK, *BOTH, f"AT+CWDHCPS=1,3,{RANGE}"),
    refuses("AT+CWDHCPS=1", "AT+CWDHCPS=1,3", before=BOTH),
)
s(
    "0 is the default range",
    says(
        "AT+CWDHCPS?",
        "+CWDHCPS=120,192.168.4.2,192.168.4.101" + OK,
        *BOTH,
        f"AT+CWDHCPS=1,3,{RANGE}",
        "AT+CWDHCPS=0",
    ),
)
s(
    "a lease of 1 to 2880 minutes",
    takes(*(f"AT+CWDHCPS=1,{n},{RANGE}" for n in (1, 2880)), before=BOTH),
    refuses(*(f"AT+CWDHCPS=1,{n},{RANGE}" for n in (0, 2881)), before=BOTH),
)
s(
    "stations get addresses of the range",
    says(
        "AT+CWLIF",
        "192.168.4.10, aa:bb:cc:00:00:01|" + OK,
        FRESH,
        f"AT+CWDHCPS=1,3,{RANGE}",
        "@station aa:bb:cc:00:00:01",
    ),
)
s(
    "it is stored",
    says(
        "AT+CWDHCPS?",
        "+CWDHCPS=3,192.168.4.10,192.168.4.15" + OK,
        *BOTH,
        f"AT+CWDHCPS=1,3,{RANGE}",
        "@restart",
    ),
)
s("the SoftAP must be on", refuses(f"AT+CWDHCPS=1,3,{RANGE}", before=STATION))
s("and its DHCP", refuses(f"AT+CWDHCPS=1,3,{RANGE}", before=[*BOTH, "AT+CWDHCP=0,2"]))
s(
    "the range is in the SoftAP's network",
    refuses('AT+CWDHCPS=1,3,"192.168.5.10","192.168.5.15"', before=BOTH),
)

s = chapter("4.2.10")
s("0 and 1", takes("AT+CWAUTOCONN=0", "AT+CWAUTOCONN=1"), refuses("AT+CWAUTOCONN=2", "AT+CWAUTOCONN="))
s("with 0 a start joins nothing", says("AT+CWJAP?", OK, "AT+CWAUTOCONN=0", "@restart"))
s("with 1 a start joins", says("AT+CWJAP?", r"~\+CWJAP:.*", "AT+CWAUTOCONN=0", "AT+CWAUTOCONN=1", "@restart"))
s("by default it does", says("AT+CWJAP?", r"~\+CWJAP:.*", "@restart"))
s("it is stored", says("AT+CWJAP?", OK, "AT+CWAUTOCONN=0", "@restart", "@restart"))
s("no query is named", refuses("AT+CWAUTOCONN?"))


def _mac(section: str, name: str, example: str, own: str, other: str) -> None:
    s = chapter(section)
    s("the query answers the address", says(f"AT+{name}?", f'+{name}:"{own}"|' + OK, *BOTH))
    s("it can be set", says(f"AT+{name}?", f'+{name}:"{example}"|' + OK, *BOTH, f'AT+{name}="{example}"'))
    s(
        "it is stored",
        says(f"AT+{name}?", f'+{name}:"{example}"|' + OK, *BOTH, f'AT+{name}="{example}"', "@restart"),
    )
    s("it is not the other interface's", refuses(f'AT+{name}="{other}"', before=BOTH))
    s(
        "bit 0 of the first byte is 0",
        takes(f'AT+{name}="1a:fe:35:98:d3:7b"', before=BOTH),
        refuses(f'AT+{name}="15:fe:35:98:d3:7b"', before=BOTH),
    )
    s(
        "neither all ones nor all zeros",
        refuses(
            f'AT+{name}="ff:ff:ff:ff:ff:ff"',
            f'AT+{name}="FF:FF:FF:FF:FF:FF"',
            f'AT+{name}="00:00:00:00:00:00"',
            before=BOTH,
        ),
    )


_mac("4.2.11", "CIPSTAMAC", "18:fe:35:98:d3:7b", "10:01:00:c4:0a:24", "10:01:00:c4:0a:25")
_mac("4.2.12", "CIPAPMAC", "1a:fe:36:97:d5:7b", "10:01:00:c4:0a:25", "10:01:00:c4:0a:24")

s = chapter("4.2.13")
s("the query answers the address", says("AT+CIPSTA?", '+CIPSTA:"10.0.2.15"|' + OK))
s("only while joined", says("AT+CIPSTA?", '+CIPSTA:"0.0.0.0"|' + OK, *STATION))
s(
    "address, gateway and mask",
    takes('AT+CIPSTA="192.168.6.100","192.168.6.1","255.255.255.0"', 'AT+CIPSTA="192.168.6.100"'),
    refuses('AT+CIPSTA="x"', 'AT+CIPSTA="0.0.0.0"', 'AT+CIPSTA="255.255.255.255"', "AT+CIPSTA="),
)
s(
    "it is stored",
    says("AT+CIPSTA?", '+CIPSTA:"192.168.6.100"|' + OK, 'AT+CIPSTA="192.168.6.100"', "@restart"),
)
s("it ends DHCP", says("AT+CWDHCP?", "+CWDHCP:2" + OK, 'AT+CIPSTA="192.168.6.100"'))
s(
    "and DHCP ends it",
    says("AT+CIPSTA?", '+CIPSTA:"10.0.2.15"|' + OK, 'AT+CIPSTA="192.168.6.100"', "AT+CWDHCP=1,1"),
)
s(
    "the last of both holds",
    says("AT+CWDHCP?", "+CWDHCP:2" + OK, "AT+CWDHCP=1,1", 'AT+CIPSTA="192.168.6.100"'),
)

s = chapter("4.2.14")
s(
    "the query answers address, gateway and mask",
    says("AT+CIPAP?", '+CIPAP:"192.168.4.1","192.168.4.1","255.255.255.0"|' + OK, *BOTH),
)
s(
    "address, gateway and mask",
    takes('AT+CIPAP="192.168.5.1","192.168.5.1","255.255.255.0"', 'AT+CIPAP="192.168.5.1"', before=BOTH),
)
s(
    "it is stored",
    says(
        "AT+CIPAP?",
        '+CIPAP:"192.168.5.1","192.168.5.1","255.255.255.0"|' + OK,
        *BOTH,
        'AT+CIPAP="192.168.5.1","192.168.5.1","255.255.255.0"',
        "@restart",
    ),
)
s(
    "networks of class C only",
    refuses(
        'AT+CIPAP="10.0.0.1"',
        'AT+CIPAP="172.16.0.1"',
        'AT+CIPAP="192.168.5.1","192.168.5.1","255.255.0.0"',
        before=BOTH,
    ),
)
s("it ends DHCP", says("AT+CWDHCP?", "+CWDHCP:1" + OK, *BOTH, 'AT+CIPAP="192.168.5.1"'))
s(
    "and DHCP ends it",
    says(
        "AT+CIPAP?",
        '+CIPAP:"192.168.4.1","192.168.4.1","255.255.255.0"|' + OK,
        *BOTH,
        'AT+CIPAP="192.168.5.1","192.168.5.1","255.255.255.0"',
        "AT+CWDHCP=1,2",
    ),
)
s(
    "the last of both holds",
    says("AT+CWDHCP?", "+CWDHCP:1" + OK, *BOTH, "AT+CWDHCP=1,2", 'AT+CIPAP="192.168.5.1"'),
)

s = chapter("4.2.15")
s("execute starts it, and answers OK", says("AT+CWSTARTSMART", OK, *STATION))
s(
    "1, 2 and 3 are types",
    takes(*(f"AT+CWSTARTSMART={n}" for n in (1, 2, 3)), before=STATION),
    refuses("AT+CWSTARTSMART=0", "AT+CWSTARTSMART=4", before=STATION),
)
s("only with the station", refuses("AT+CWSTARTSMART", "AT+CWSTARTSMART=1", before=SOFTAP))
s(
    "a line says that the network is known, another that it is joined",
    says(
        "AT+CWSTARTSMART",
        r"~\|OK\|.*Smart get Wi-Fi info\|.*Smartconfig connected Wi-Fi\|",
        *STATION,
        "@phone",
    ),
)

s = chapter("4.2.16")
s("it answers OK", takes("AT+CWSTOPSMART"), says("AT+CWSTOPSMART", OK, *STATION, "AT+CWSTARTSMART"))
s(
    "to be called before any other command",
    says("AT+CWSTARTSMART=1", OK, *STATION, "AT+CWSTARTSMART", "AT+CWSTOPSMART"),
)

s = chapter("4.2.17")
s(
    "1 starts it, 0 ends it",
    takes("AT+WPS=1", "AT+WPS=0", before=STATION),
    refuses("AT+WPS=2", before=STATION),
)
s("by push button", says("AT+CWJAP?", r'~\+CWJAP:"Espressif".*', *STATION, "@button", "AT+WPS=1", "@pass 10"))
s("the station must be on", refuses("AT+WPS=1", before=SOFTAP))
s("WEP is not supported", unseen="no access point of the simulator has WEP")
