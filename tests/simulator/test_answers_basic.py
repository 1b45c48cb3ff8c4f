"""The exact answers of chapters 3 and 4 and of what belongs to them later: tables, each row with its source.

A row is (profiles, lines to prepare with, line, answer, source); `|` in an answer stands for CR LF. Echo is
off. `FRESH` prepares a module as shipped; without it the module is joined to the first access point.
"""

import pytest

from esp32sock.simulator.profiles.generations import PROFILES, basic

ALL = tuple(PROFILES)
DOC = ("doc-v1",)
V0 = ("0.10",)
V1 = ("1.0",)
OLD = ("0.10", "1.0", "1.2")
V2 = ("2.0",)
MODERN = ("2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0")
FROM_2_2 = ("2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0")
NEW = ("3.2", "3.4", "4.1", "4.2", "5.0")
FIRMWARE = tuple(name for name in ALL if name != "doc-v1")
CODED = OLD
FRESH = "as shipped"

OK = "|OK|"
ERROR = "|ERROR|"


def coded(*codes):
    """ERROR behind these codes, as 1.0 prints them."""
    return "".join(f"ERR CODE:0x{code}|" for code in codes) + ERROR


BASIC = [
    (ALL, [], "AT", OK, "V1.0 3.2.1"),
    (ALL, [], "ATE0", OK, "V1.0 3.2.5"),
    (ALL, [], "ATE1", OK, "V1.0 3.2.5"),
    (ALL, [], "AT+GMR?", ERROR, "v2.0-basic, v201712-basic"),
    (V1, [], "AT+GMR", "AT version:1.0.0.0(d5b1ad0 - Nov 14 2017 09:49:29)|SDK version:v2.1-4-gd9f48d1|"
     "compile time:Nov 15 2017 03:02:09" + OK, "v201712-basic for the form"),
    (V0, [], "AT+GMR", "AT version:0.10.0.0(Jun 12 2017 05:47:13)|SDK version:v2.0-2-g8ad0d3d" + OK,
     "at-dialects 5.2"),
    (ALL, [], "AT+GSLP=?", ERROR, "sweep of GSLP, 2.0"),
    (ALL, [], "AT+GSLP?", ERROR, "sweep of GSLP, 2.0"),
    (ALL, [], "AT+GSLP", ERROR, "sweep of GSLP, 2.0"),
    (V2 + MODERN, [FRESH], "AT+GSLP=a", ERROR, "sweep of GSLP, 2.0"),
    (V2 + MODERN, [FRESH], "AT+GSLP=-1", OK, "sweep of GSLP, 2.0"),
    (ALL, [], "AT+RESTORE=1", ERROR, "form lacking, as RST=1 (sweep of RST)"),
    (DOC, [], "AT+UART?", ERROR, "V1.0 3.2.7 knows no query"),
    (FIRMWARE, [], "AT+UART?", "+UART:115201,8,1,0,1|" + OK, "v2.0-, v201712-, v4.1dev-basic"),
    (FIRMWARE, [], "AT+UART_CUR?", "+UART_CUR:115201,8,1,0,1|" + OK, "v2.0-, v201712-, v4.1dev-basic"),
    (FIRMWARE, [], "AT+UART_DEF?", "+UART_DEF:115200,8,1,0,1|" + OK, "v2.0-, v201712-, v4.1dev-basic"),
    (OLD + V2, ["AT+UART_CUR=115200,8,1,1,0"], "AT+UART_CUR?", "+UART_CUR:115201,8,1,0,0|" + OK,
     "sweep of UART_CUR: the parity does not read back"),
    (OLD + V2, ["AT+UART_DEF=115200,8,1,1,0"], "AT+UART_DEF?", "+UART_DEF:115200,8,1,-1,0|" + OK,
     "real-firmware 9"),
    (OLD + V2, ["AT+UART_DEF=115200,8,1,2,0"], "AT+UART_DEF?", "+UART_DEF:115200,8,1,2,0|" + OK,
     "real-firmware 9"),
    (FROM_2_2, ["AT+UART_DEF=115200,8,1,1,0"], "AT+UART_DEF?", "+UART_DEF:115200,8,1,1,0|" + OK,
     "real-firmware 9"),
    (FROM_2_2, ["AT+UART_CUR=115200,8,1,1,0"], "AT+UART_CUR?", "+UART_CUR:115201,8,1,1,0|" + OK,
     "real-firmware 9"),
    (("1.0", "2.0"), ['AT+CIPSTA="10.7.8.9"'], "AT+CIPSTA?",
     '+CIPSTA:ip:"10.7.8.9"|+CIPSTA:gateway:"10.7.8.1"|+CIPSTA:netmask:"255.255.255.0"|' + OK,
     "real-firmware 9"),
    (("1.0",), [], 'AT+CIPSTA="10.7.8.9","10.7.8.1","255.0.0.0","1"', ERROR, "real-firmware 9"),
    (("1.0", "2.0"), ["AT+CWMODE=2"], "AT+CWAUTOCONN=1", ERROR, "real-firmware 9"),
    (V2, [], 'AT+CWLAP=5', OK, "real-firmware 9"),
    (V2, [], 'AT+CWLAP="nobody', OK, "real-firmware 9"),
    (V2, [], 'AT+CWLAP="nobody","","6"', OK, "real-firmware 9"),
    (V2, [], 'AT+CWLAP="nobody","",6,0,0,0', OK, "real-firmware 9"),
    (V2, [], 'AT+CWLAP="nobody","",14', ERROR, "real-firmware 9"),
    (("1.0",), [], 'AT+CWLAP="nobody","",14', "ERR CODE:0x01070003|" + ERROR, "real-firmware 9"),
    (("1.0",), [], f'AT+CWLAP="{33 * "n"}"', "ERR CODE:0x01070001|" + ERROR, "real-firmware 9"),
    (("1.0",), [], 'AT+CWLAP="nobody","",6,0', ERROR, "real-firmware 9"),
    (V2, [], 'AT+SAVETRANSLINK=2,"10.0.2.2",7000', OK, "real-firmware 9"),
    (V2, [], 'AT+SAVETRANSLINK=-1,"10.0.2.2",7000', OK, "real-firmware 9"),
    (V2, [], 'AT+SAVETRANSLINK=1,"10.0.2.2",7000,"TCP",0,0', OK, "real-firmware 9"),
    (("1.0",), [], 'AT+SAVETRANSLINK=2,"10.0.2.2",7000', OK, "real-firmware 9"),
    (("1.0",), [], 'AT+SAVETRANSLINK=-1,"10.0.2.2",7000', ERROR, "real-firmware 9"),
    (("1.0", "2.0"), [], 'AT+SAVETRANSLINK=0,"10.0.2.2",7000,"TCP"', ERROR, "real-firmware 9"),
    (("1.0",), [], 'AT+SAVETRANSLINK=1,"10.0.2.2",7000,"SSL"', OK, "real-firmware 9"),
    (("1.0",), [], 'AT+SAVETRANSLINK=1,"10.0.2.2"', ERROR, "real-firmware 9"),
    (("1.0",), [], 'AT+SAVETRANSLINK=1,"",7000', "ERR CODE:0x01070002|" + ERROR, "real-firmware 9"),
    (("1.0",), [], 'AT+CIPDOMAIN="1.2.3"', "+CIPDOMAIN:1.2.0.3|" + OK, "real-firmware 9"),
    (("1.0",), [], "AT+CWMODE=4", "ERR CODE:0x01070001|" + ERROR, "at-dialects 3.3: 07 counts from 1 on 1.0"),
    (("1.0",), [], "AT+CWMODE=4294967297", ERROR, "real-firmware 9"),
    (("1.0",), [], "AT+CWAUTOCONN=4294967297", ERROR, "real-firmware 9"),
    (("1.0", "1.2"), ['AT+CIPDNS=1,"9.9.9.9","8.8.8.8"'],
     "AT+CIPDNS?", "+CIPDNS:9.9.9.9|+CIPDNS:8.8.8.8|" + OK,
     "real-firmware 9"),
    (ALL, [], "AT+UART_DEF=115200,8,1,0,3", OK, "V1.0 3.2.9"),
    (ALL, [], "AT+UART_CUR=115200;8;1;0;0", ERROR, "sweep of UART_CUR: no code on 1.0 either"),
    (DOC, [], "AT+SLEEP?", ERROR, "V1.0 3.2.10 knows no query"),
    (OLD, [], "AT+SLEEP?", "+SLEEP:0|" + OK, "v201712-basic"),
    (V2 + MODERN, [], "AT+SLEEP?", "+SLEEP:1|" + OK, "v2.0-basic, v4.1dev-basic"),
    (FIRMWARE, ["AT+SLEEP=0"], "AT+SLEEP?", "+SLEEP:0|" + OK, "sweep of SLEEP"),
    (ALL, [], "AT+SLEEP=01", OK, "sweep of SLEEP"),
    (ALL, [], "AT+SLEEP=0x1", OK, "sweep of SLEEP"),
    (ALL, [], "AT+SLEEP=4", ERROR, "sweep of SLEEP"),
    (ALL, [], "AT+SLEEP=4294967297", ERROR, "sweep of SLEEP"),
    (DOC, [], "AT+SYSRAM?", "+SYSRAM:148408" + OK, "V1.0 3.2.11"),
    (("2.0", "2.1"), [], "AT+SYSRAM?", "+SYSRAM:175960" + OK, "v2.0-basic"),
    (("2.2", "2.4", "3.4", "4.1"), [], "AT+SYSRAM?", "+SYSRAM:184940,167172" + OK, "v4.1dev-basic"),
    (("4.2",), [], "AT+SYSRAM?", "+SYSRAM:130984,126728" + OK, "v4.2dev-basic"),
    (ALL, [], "AT+SYSRAM=?", ERROR, "sweep of SYSRAM"),
]  # fmt: skip

SYSTEM = [
    (DOC, [], "AT+SYSLOG?", ERROR, "not in the document"),
    (OLD, [], "AT+SYSLOG?", coded("01090000"), "v201712-basic"),
    (V2 + MODERN, [], "AT+SYSLOG?", "+SYSLOG:0|" + OK, "v2.0-basic, v4.1dev-basic"),
    (V2 + MODERN, ["AT+SYSLOG=1"], "AT+SYSLOG?", "+SYSLOG:1|" + OK, "at-dialects 5"),
    (V2 + MODERN, ["AT+SYSLOG=1"], "AT+NOSUCH", coded("01090000"), "at-dialects 3.3"),
    (("2.0",), [], "AT+SYSSTORE?", ERROR, "v2.0-basic"),
    (MODERN, [], "AT+SYSSTORE?", "+SYSSTORE:1|" + OK, "v4.1dev-basic"),
    (MODERN, ["AT+SYSSTORE=0"], "AT+SYSSTORE?", "+SYSSTORE:0|" + OK, "at-dialects 5"),
    (("1.2", *V2, *MODERN), [], "AT+SYSMSG?", "+SYSMSG:0" + OK, "v2.0-basic, v4.1dev-sysmsg"),
    (MODERN, ["AT+SYSMSG=4"], "AT+SYSMSG?", "+SYSMSG:4" + OK, "v4.1dev-sysmsg"),
    (V2, [], "AT+SYSMSG=4", ERROR, "at-dialects 5: bit 2 came later"),
    (V2 + MODERN, [], "AT+SYSTIMESTAMP?", "+SYSTIMESTAMP:30" + OK, "v2.0-basic: seconds since the start"),
    (V2 + MODERN, ["AT+SYSTIMESTAMP=1600000000"], "AT+SYSTIMESTAMP?", "+SYSTIMESTAMP:1600000030" + OK,
     "at-dialects 5; the bench lets 30 s pass"),
    (V2, [], "AT+RFPOWER?", "+RFPOWER:72,2,2,2|" + OK, "v2.0-basic"),
    (("4.1",), [], "AT+RFPOWER?", "+RFPOWER:72|" + OK, "v4.1dev-basic"),
    (("4.2",), [], "AT+RFPOWER?", "+RFPOWER:72,0,0,0|" + OK, "v4.2dev-basic"),
    (V2, ["AT+RFPOWER=60"], "AT+RFPOWER?", "+RFPOWER:60,2,2,2|" + OK, "later documents"),
    (OLD, [], "AT+RFPOWER?", coded("01090000"), "v201712-basic"),
    (V2, [], "AT+USERRAM?", ERROR, "v2.0-basic"),
    (FROM_2_2, [], "AT+USERRAM?", "+USERRAM:0|" + OK, "v4.1dev-basic"),
    (NEW, [], "AT+SYSMSGFILTER?", "+SYSMSGFILTER:0|" + OK, "v4.1dev-sysmsg"),
    (NEW, [], "AT+SYSMSGFILTERCFG?", OK, "v4.1dev-sysmsg"),
    (V2, [], "AT+CMD?", ERROR, "v2.0-basic"),
    (("4.1", "4.2"), [], "AT+SYSREG?", ERROR, "v4.1dev-basic"),
    (("4.1", "4.2"), [], "AT+SYSFLASH?", '+SYSFLASH:"mfg_nvs",1,2,0x21000,0x1c000|'
     '+SYSFLASH:"fs_storage",1,255,0x70000,0x90000|' + OK, "v4.1dev-basic"),
    (("1.0", "1.2", "2.0", "4.2"), [], "AT+BLEINIT?", "+BLEINIT:0|" + OK, "v201712-, v2.0-, v4.2dev-basic"),
    (("4.1",), [], "AT+BLEINIT?", ERROR, "v4.1dev-basic"),
    (("4.1",), [], "AT+MQTTCONN?", '+MQTTCONN:0,0,0,"","","",0|' + OK, "v4.1dev-basic"),
    (("4.1",), [], "AT+HTTPCHEAD?", OK, "v4.1dev-basic"),
]  # fmt: skip

SSID = '"ESP_C40A25"'
LONG = 32 * "s"

SOFTAP = [
    (("doc-v1", *OLD, *V2), [FRESH], "AT+CWSAP?", f'+CWSAP:{SSID},"",1,0,4,0|' + OK,
     "v2.0-wifi, v201712-wifi"),
    (("4.1", "4.2"), [FRESH], "AT+CWSAP?", f'+CWSAP:{SSID},"",1,0,10,0|' + OK, "v4.1dev-wifi"),
    (OLD, [], "AT+CWSAP?", coded("010a0000"), "sweep of CWSAP: no SoftAP"),
    (DOC + V2 + MODERN, [], "AT+CWSAP?", ERROR, "sweep of CWSAP: no SoftAP"),
    (("doc-v1", *OLD, *V2), [FRESH, 'AT+CWSAP="TestAP","12345678",5,3'], "AT+CWSAP?",
     '+CWSAP:"TestAP","12345678",5,3,10,0|' + OK, "v2.0-wifi, v201712-wifi"),
    (("4.1", "4.2"), [FRESH, 'AT+CWSAP="TestAP","12345678",5,3'], "AT+CWSAP?",
     '+CWSAP:"TestAP","12345678",5,3,15,0|' + OK, "v4.1dev-wifi"),
    (ALL, [FRESH, 'AT+CWSAP="TestAP","12345678",5,3,4,1'], "AT+CWSAP?",
     '+CWSAP:"TestAP","12345678",5,3,4,1|' + OK, "sweep of CWSAP"),
    (("doc-v1", *OLD, *V2), [FRESH, 'AT+CWSAP="a","12345678",5,3', 'AT+CWSAP="open","",6,0,4,0'], "AT+CWSAP?",
     '+CWSAP:"open","12345678",6,0,4,0|' + OK, "v2.0-wifi: the old password stays"),
    (("4.1", "4.2"), [FRESH, 'AT+CWSAP="a","12345678",5,3', 'AT+CWSAP="open","",6,0,4,0'], "AT+CWSAP?",
     '+CWSAP:"open","",6,0,4,0|' + OK, "v4.1dev-wifi"),
    (("1.0", "2.0"), [FRESH, f'AT+CWSAP="{LONG}","12345678",5,3'], "AT+CWSAP?",
     f'+CWSAP:"{LONG}12345678","12345678",5,3,10,0|' + OK, "sweep of CWSAP: runs on into the password"),
    (ALL, [FRESH, r'AT+CWSAP="ES\,P\"3\\2","12345678",5,3,4'], "AT+CWSAP?",
     '+CWSAP:"ES,P"3\\2","12345678",5,3,4,0|' + OK, "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32"', coded("01080001", "01080002"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","1234567890"', coded("01080002"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","1234567890",5', coded("01080003"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","1234567890",0,3', coded("01070003"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","1234567890",5,1', coded("01070004"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","1234567",5,3', coded("01070004"), "sweep of CWSAP"),
    (V1, [FRESH], f'AT+CWSAP="ESP32","{64 * "p"}",5,3', coded("010a0000"), "sweep of CWSAP"),
    (V1, [FRESH], f'AT+CWSAP="ESP32","{65 * "p"}",5,3', coded("01070002"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="","12345678",5,3', coded("01070001"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","12345678",5,3,0', ERROR, "sweep of CWSAP: no code"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","12345678",5,3,4,0,1', coded("01060407"), "sweep of CWSAP"),
    (V1, [FRESH], 'AT+CWSAP="ESP32","12345678",,3', ERROR, "sweep of CWSAP: no code"),
    (V1, [FRESH], "AT+CWSAP=", coded("01070001"), "sweep of CWSAP"),
    (ALL, [FRESH], "AT+CWLIF", OK, "v2.0-wifi: no stations"),
    (ALL, [FRESH], "AT+CWSAP=?", ERROR, "sweep of CWSAP"),
]  # fmt: skip

DHCP = [
    (V2, [FRESH], "AT+CWDHCP?", "+CWDHCP:7" + OK, "v2.0-wifi: bit 2 is Ethernet"),
    (("0.10", "1.0", "4.1", "4.2"), [FRESH], "AT+CWDHCP?", "+CWDHCP:3" + OK, "v201712-wifi, v4.1dev-wifi"),
    (V2, ["AT+CWDHCP=0,3"], "AT+CWDHCP?", "+CWDHCP:4" + OK, "sweep of CWDHCP"),
    (V1, ["AT+CWDHCP=0,2"], "AT+CWDHCP?", "+CWDHCP:1" + OK, "sweep of CWDHCP"),
    (ALL, [], "AT+CWDHCP=1,1", OK, "V1.0 4.2.8"),
    (V2, [], "AT+CWDHCP=1,4", OK, "sweep of CWDHCP"),
    (V1, [], "AT+CWDHCP=1,4", coded("01070002"), "sweep of CWDHCP"),
    (V1, [], "AT+CWDHCP=2,1", coded("01070001"), "sweep of CWDHCP"),
    (V1, [], "AT+CWDHCP=1", coded("01060101"), "sweep of CWDHCP"),
    (V1, [], "AT+CWDHCP=1,1,1", coded("01060103"), "sweep of CWDHCP"),
    (V1, [], "AT+CWDHCP=1,", ERROR, "sweep of CWDHCP: no code"),
    (DOC, [FRESH], "AT+CWDHCPS?", "+CWDHCPS=120,192.168.4.2,192.168.4.101" + OK,
     "V1.0 4.2.9: an equals sign"),
    (FIRMWARE, [FRESH], "AT+CWDHCPS?", "+CWDHCPS:120,192.168.4.2,192.168.4.101" + OK,
     "v2.0-wifi, v4.1dev-wifi"),
    (FIRMWARE, [FRESH, 'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.15"'], "AT+CWDHCPS?",
     "+CWDHCPS:3,192.168.4.10,192.168.4.15" + OK, "sweep of CWDHCPS"),
    (FIRMWARE, [FRESH, 'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.15"', "AT+CWDHCPS=0"], "AT+CWDHCPS?",
     "+CWDHCPS:120,192.168.4.2,192.168.4.101" + OK, "sweep of CWDHCPS"),
    (ALL, [], 'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.15"', ERROR, "sweep of CWDHCPS: no SoftAP"),
    (ALL, [FRESH], 'AT+CWDHCPS=1,2881,"192.168.4.10","192.168.4.15"', ERROR, "sweep of CWDHCPS"),
    (ALL, [FRESH], 'AT+CWDHCPS=1,3,"192.168.4.15","192.168.4.10"', ERROR, "sweep of CWDHCPS"),
    (ALL, [FRESH], 'AT+CWDHCPS=1,3,"192.168.4.1","192.168.4.15"', ERROR, "sweep of CWDHCPS"),
    (ALL, [FRESH], 'AT+CWDHCPS=1,3,"192.168.4.10","192.168.4.210"', ERROR, "sweep of CWDHCPS"),
    (V1, [FRESH], "AT+CWDHCPS=0,1", coded("01060102"), "sweep of CWDHCPS"),
    (V1, [FRESH], 'AT+CWDHCPS=1,3,"",""', coded("01070003"), "sweep of CWDHCPS"),
]  # fmt: skip

OWN_MAC = '"18:fe:35:98:d3:7b"'

ADDRESSES = [
    (ALL, [FRESH], "AT+CIPSTAMAC?", '+CIPSTAMAC:"10:01:00:c4:0a:24"|' + OK, "v2.0-wifi, v4.1dev-wifi"),
    (ALL, [FRESH], "AT+CIPAPMAC?", '+CIPAPMAC:"10:01:00:c4:0a:25"|' + OK, "v2.0-wifi, v4.1dev-wifi"),
    (ALL, [f"AT+CIPSTAMAC={OWN_MAC}"], "AT+CIPSTAMAC?", f"+CIPSTAMAC:{OWN_MAC}|" + OK, "sweep of CIPSTAMAC"),
    (ALL, ['AT+CIPSTAMAC="18:FE:35:98:D3:7C"'], "AT+CIPSTAMAC?", '+CIPSTAMAC:"18:fe:35:98:d3:7c"|' + OK,
     "sweep of CIPSTAMAC"),
    (ALL, [FRESH, f"AT+CIPAPMAC={OWN_MAC}"], "AT+CIPAPMAC?", f"+CIPAPMAC:{OWN_MAC}|" + OK,
     "sweep of CIPAPMAC"),
    (V1, [FRESH], f"AT+CIPSTAMAC={OWN_MAC}", coded("010a0000"), "sweep of CIPSTAMAC: no station"),
    (V1, [], 'AT+CIPSTAMAC="19:fe:35:98:d3:7b"', coded("010a0000"), "sweep of CIPSTAMAC: a group address"),
    (V1, [], 'AT+CIPSTAMAC="00:00:00:00:00:00"', coded("01070001"), "sweep of CIPSTAMAC"),
    (V1, [], 'AT+CIPSTAMAC="18-fe-35-98-d3-7b"', coded("01070001"), "sweep of CIPSTAMAC"),
    (V1, [], "AT+CIPSTAMAC=1", coded("01080000"), "sweep of CIPSTAMAC"),
    (V1, [], f"AT+CIPSTAMAC={OWN_MAC},1", coded("01060102"), "sweep of CIPSTAMAC"),
    (V1, [FRESH], 'AT+CIPAPMAC="19:fe:35:98:d3:7b"', ERROR, "sweep of CIPAPMAC: no code here"),
    (DOC, [], "AT+CIPSTA?", '+CIPSTA:"10.0.2.15"|' + OK, "V1.0 4.2.13: one line"),
    (FIRMWARE, [], "AT+CIPSTA?", '+CIPSTA:ip:"10.0.2.15"|+CIPSTA:gateway:"10.0.2.2"|'
     '+CIPSTA:netmask:"255.255.255.0"|' + OK, "v2.0-wifi, v4.1dev-wifi"),
    (FIRMWARE, ["AT+CWQAP"], "AT+CIPSTA?", '+CIPSTA:ip:"0.0.0.0"|+CIPSTA:gateway:"0.0.0.0"|'
     '+CIPSTA:netmask:"0.0.0.0"|' + OK, "v2.0-wifi"),
    (FIRMWARE, ["AT+CWQAP", 'AT+CIPSTA="10.0.2.77","10.0.2.2","255.255.255.0"'], "AT+CIPSTA?",
     '+CIPSTA:ip:"10.0.2.77"|+CIPSTA:gateway:"10.0.2.2"|+CIPSTA:netmask:"255.255.255.0"|' + OK, "v2.0-wifi"),
    (V1, ["AT+CWQAP", 'AT+CIPSTA="10.0.2.77"'], "AT+CWDHCP?", "+CWDHCP:2" + OK, "v201712-wifi"),
    (FIRMWARE, [FRESH], "AT+CIPAP?", '+CIPAP:ip:"192.168.4.1"|+CIPAP:gateway:"192.168.4.1"|'
     '+CIPAP:netmask:"255.255.255.0"|' + OK, "v2.0-wifi, v4.1dev-wifi"),
    (DOC, [FRESH], "AT+CIPAP?", '+CIPAP:"192.168.4.1","192.168.4.1","255.255.255.0"|' + OK, "V1.0 4.2.14"),
    (FIRMWARE, [FRESH, 'AT+CIPAP="1.2.3"'], "AT+CIPAP?", '+CIPAP:ip:"1.2.0.3"|+CIPAP:gateway:"192.168.4.1"|'
     '+CIPAP:netmask:"255.255.255.0"|' + OK, "sweep of CIPAP"),
    (FIRMWARE, [FRESH, 'AT+CIPAP="0x0a.0.02.9 "'], "AT+CIPAP?", '+CIPAP:ip:"10.0.2.9"|'
     '+CIPAP:gateway:"192.168.4.1"|+CIPAP:netmask:"255.255.255.0"|' + OK, "sweep of CIPAP"),
    (FIRMWARE, [FRESH, 'AT+CIPAP="192.168.7.1","192.168.7.1","0.0.0.0"'], "AT+CIPAP?",
     '+CIPAP:ip:"192.168.7.1"|+CIPAP:gateway:"192.168.7.1"|+CIPAP:netmask:"255.255.255.0"|' + OK,
     "sweep of CIPAP"),
    (V1, [FRESH], 'AT+CIPAP="256.1.1.1"', coded("01070001"), "sweep of CIPAP"),
    (V1, [FRESH], 'AT+CIPAP="192.168.7.1",,"255.255.255.0"', coded("01070002"), "sweep of CIPAP"),
    (V1, [FRESH], 'AT+CIPAP="1.1.1.1","1.1.1.1","255.255.255.0",1', coded("01060304"), "sweep of CIPAP"),
    (FIRMWARE, [FRESH], "AT+CIFSR", '+CIFSR:APIP,"192.168.4.1"|+CIFSR:APMAC,"10:01:00:c4:0a:25"|' + OK,
     "v2.0-wifi, v201712-wifi"),
]  # fmt: skip

JOINING = [
    (ALL, [FRESH], "AT+CWMODE?", "+CWMODE:2|" + OK, "v2.0-wifi, v201712-wifi, v4.1dev-wifi"),
    (V1, [], "AT+CWMODE=9", coded("01070001"), "v201712-basic"),
    (V1, [], "AT+CWMODE=1,2,3,4", coded("01060104"), "v201712-basic"),
    (V1, [], "AT+CWMODE=a", coded("01080000"), "v201712-basic"),
    (("doc-v1", *OLD, *V2), [], "AT+CWMODE=?", "+CWMODE:(1-3)|" + OK, "V1.0 4.2.1, v2.0-basic"),
    (DOC, [], "AT+CWMODE=0", ERROR, "V1.0 4.2.1: 1 to 3"),
    (V1, [], "AT+CWJAP=", coded("01040001"), "sweep of CWJAP"),
    (V1, [], 'AT+CWJAP="Espressif"', coded("01080001", "01080002", "01040003"), "sweep of CWJAP"),
    (V1, [], 'AT+CWJAP="Espressif",1', coded("01080001"), "sweep of CWJAP"),
    (V1, [], 'AT+CWJAP="Espressif","","zz:zz:zz:zz:zz:zz"', coded("01040003"), "sweep of CWJAP"),
    (V1, [], 'AT+CWJAP="Espressif","",""', ERROR, "sweep of CWJAP: no code"),
    (V1, [], 'AT+CWJAP="Espressif","","10:01:00:c4:0a:51",0,1,3', coded("01060306"), "sweep of CWJAP"),
    (V1, [FRESH], 'AT+CWJAP="Espressif",""', coded("010a0000"), "sweep of CWJAP: SoftAP mode"),
    (V1, [FRESH, "AT+CWMODE=1"], 'AT+CWJAP="Espressif","12345678"', "WIFI CONNECTED|WIFI GOT IP|" + OK,
     "sweep of CWJAP: 1.0 does not mind the password"),
    (V2, [FRESH, "AT+CWMODE=1"], 'AT+CWJAP="Espressif","12345678"', "+CWJAP:4|" + ERROR, "sweep of CWJAP"),
    (FIRMWARE, [FRESH, "AT+CWMODE=1"], 'AT+CWJAP="NoSuchNet","12345678"', "+CWJAP:3|" + ERROR, "v2.0-wifi"),
    (V0, [FRESH, "AT+CWMODE=1"], "AT+CWJAP?", "No AP|" + OK, "at-dialects 6"),
    (("1.0", *V2, *MODERN), [FRESH, "AT+CWMODE=1"], "AT+CWJAP?", OK, "v2.0-wifi, v4.1dev-wifi"),
    (FROM_2_2, ["AT+CWQAP"], "AT+CWJAP", "WIFI CONNECTED|WIFI GOT IP|" + OK, "at-dialects 6"),
    (FROM_2_2, [], "AT+CWJAP", OK, "real-firmware 7: 4.1"),
    (("doc-v1", *V2, "2.1"), [], "AT+CWJAP", ERROR, "sweep of CWJAP"),
    (OLD + V2, [], "AT+CWQAP=?", OK, "sweep of CWQAP"),
    (ALL, [], "AT+CWQAP?", ERROR, "sweep of CWQAP"),
    (FROM_2_2, [], "AT+CWSTATE?", '+CWSTATE:2,"Espressif"|' + OK, "v4.1dev-basic"),
    (FROM_2_2, ["AT+CWQAP"], "AT+CWSTATE?", '+CWSTATE:4,"Espressif"|' + OK, "at-dialects 6"),
    (FROM_2_2, [FRESH], "AT+CWSTATE?", '+CWSTATE:0,""|' + OK, "at-dialects 6"),
    (V2, [], "AT+CWSTATE?", ERROR, "v2.0-basic"),
    (FROM_2_2, [], "AT+CWRECONNCFG?", "+CWRECONNCFG:1,0|" + OK, "v4.1dev-basic"),
    (FROM_2_2, ["AT+CWRECONNCFG=10,3"], "AT+CWRECONNCFG?", "+CWRECONNCFG:10,3|" + OK, "at-dialects 6"),
    (DOC, [], "AT+CWAUTOCONN?", ERROR, "V1.0 4.2.10 knows no query"),
    (FIRMWARE, [], "AT+CWAUTOCONN?", "+CWAUTOCONN:1" + OK, "v2.0-wifi, v201712-wifi, v4.1dev-wifi"),
    (FIRMWARE, ["AT+CWAUTOCONN=0"], "AT+CWAUTOCONN?", "+CWAUTOCONN:0" + OK, "V1.0 4.2.10"),
    (ALL, [], "AT+CWAUTOCONN=2", ERROR, "V1.0 4.2.10; bare on every profile but the old"),
    (FIRMWARE, [], "AT+CWHOSTNAME?", "+CWHOSTNAME:espressif|" + OK, "v2.0-wifi, v4.1dev-wifi"),
    (FIRMWARE, ['AT+CWHOSTNAME="lamp"'], "AT+CWHOSTNAME?", "+CWHOSTNAME:lamp|" + OK, "at-dialects 6"),
    (DOC, [], "AT+CWHOSTNAME?", ERROR, "not in the document"),
    (("4.1", "4.2"), [], "AT+CWCOUNTRY?", '+CWCOUNTRY:1,"CN",1,13|' + OK, "v4.1dev-basic"),
    (V2, [], "AT+CWCOUNTRY?", ERROR, "v2.0-basic"),
    (DOC, [], "AT+CWLAPOPT=1,31", OK, "V1.0 4.2.3"),
    (OLD + V2, [], "AT+CWLAPOPT=1,32", ERROR, "sweep of CWLAPOPT"),
    (OLD + V2, [], "AT+CWLAPOPT=1,-1", OK, "sweep of CWLAPOPT"),
    (MODERN, [], "AT+CWLAPOPT=1,2047", OK, "v4.1dev-wifi"),
    (V1, [], "AT+CWLAPOPT=1", coded("01060201"), "sweep of CWLAPOPT"),
    (V1, [], "AT+CWLAPOPT=1,31,1", coded("01060203"), "sweep of CWLAPOPT"),
    (V1, [FRESH], "AT+CWLAP", coded("010a0000"), "v201712-wifi: SoftAP mode"),
    (FIRMWARE, ["AT+CWLAPOPT=1,2"], "AT+CWLAP", '+CWLAP:("OpenNetworkA1")|+CWLAP:("Espressif")|'
     '+CWLAP:("MasseyWifi")|' + OK, "sweep of CWLAPOPT"),
    (DOC, ["AT+CWLAPOPT=1,2"],
     "AT+CWLAP", '+CWLAP:"OpenNetworkA1"|+CWLAP:"Espressif"|+CWLAP:"MasseyWifi"|' + OK,
     "V1.0 4.2.4: no parentheses"),

    (FIRMWARE, ["AT+CWLAPOPT=1,27"], 'AT+CWLAP="Espressif"',
     '+CWLAP:(0,"Espressif","10:01:00:c4:0a:51",5)|' + OK,
     "v2.0-wifi"),
    (ALL, [], 'AT+CWLAP="NoSuchNet"', OK, "v2.0-wifi"),
    (DOC + V2 + MODERN, [FRESH], "AT+CWSTARTSMART", ERROR, "sweep of CWSTARTSMART: no station"),
    (FIRMWARE, ["AT+CWQAP"], "AT+CWSTARTSMART", OK, "sweep of CWSTARTSMART"),
    (V2 + MODERN, ["AT+CWQAP", "AT+CWSTARTSMART"], "AT+CWSTARTSMART", ERROR,
     "sweep of CWSTARTSMART: it runs"),
    (V2, [FRESH], "AT+CWSTARTSMART=4", ERROR, "sweep of CWSTARTSMART"),
    (ALL, ["AT+CWQAP", "AT+CWSTARTSMART=3", "AT+CWSTOPSMART"], "AT+CWSTARTSMART=1", OK,
     "sweep of CWSTARTSMART"),
    (ALL, [], "AT+CWSTOPSMART", OK, "V1.0 4.2.16: whether one ran or not"),
    (ALL, ["AT+CWQAP"], "AT+WPS=1", OK, "V1.0 4.2.17"),
    (DOC + V2 + MODERN, [FRESH], "AT+WPS=1", ERROR, "V1.0 4.2.17: the station must be on"),
]  # fmt: skip


def rows(table):
    for profiles, before, line, answer, source in table:
        for profile in profiles:
            yield pytest.param(
                profile, before, line, answer, id=f"{profile} {line[:50]!r} {len(before)} ({source[:40]})"
            )


@pytest.mark.parametrize(
    ("profile", "before", "line", "answer"),
    list(rows(BASIC + SYSTEM + SOFTAP + DHCP + ADDRESSES + JOINING)),
)
def test_answer(quiet, profile, before, line, answer):
    fresh = before[:1] == [FRESH]
    bench = quiet(profile, joined=not fresh)
    bench.do(*before[fresh:])
    said = bench.say(line.encode() + b"\r\n").decode()
    if "ERR CODE" not in answer and profile in CODED:
        said = "".join(each for each in said.splitlines(keepends=True) if not each.startswith("ERR C"))
    assert said == answer.replace("|", "\r\n")


@pytest.mark.parametrize("profile", ALL)
def test_every_form_of_chapters_3_and_4_is_in_a_table(profile):
    """Each command of the document has a row for each profile, here or in test_answers; RST: test_restart."""
    tables = BASIC + SYSTEM + SOFTAP + DHCP + ADDRESSES + JOINING
    seen = {line.removeprefix("AT+").split("=")[0].rstrip("?") for p, _, line, _, _ in tables if profile in p}
    missing = set(basic.DOC) & set(PROFILES[profile].commands) - seen
    assert missing <= {"RST", "GMR", "UART", "CWMODE", "ATE0", "ATE1", "CWQAP", "CWJAP", "SLEEP", "SYSRAM"}
