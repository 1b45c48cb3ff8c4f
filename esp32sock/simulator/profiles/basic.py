"""What each firmware generation has of chapters 3 and 4: basic and Wi-Fi commands (see generations.py).

Words are `NAME:forms`; each generation is the changes to the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def forms(text: str) -> dict[str, str]:
    """`NAME:forms` words as a table that keeps their order."""
    return dict(word.split(":") for word in text.split())


def changed(table: Mapping[str, str], changes: str, *, removed: str = "") -> dict[str, str]:
    """A table with words added or given other forms, and names taken away."""
    result = {**table, **forms(changes)}
    for name in removed.split():
        result.pop(name, None)
    return result


# The 2017 document, in the order of its chapters. CWMODE has the test form (V1.0 4.2.1).
DOC = forms(
    """
    AT:e RST:e GMR:e GSLP:s ATE0:e ATE1:e RESTORE:e UART:s UART_CUR:s UART_DEF:s SLEEP:s SYSRAM:q
    CWMODE:tqs CWJAP:qs CWLAPOPT:s CWLAP:se CWQAP:e CWSAP:qs CWLIF:e CWDHCP:qs CWDHCPS:qs CWAUTOCONN:s
    CIPSTAMAC:qs CIPAPMAC:qs CIPSTA:qs CIPAP:qs CWSTARTSMART:se CWSTOPSMART:e WPS:s
    """
)
# Observed 1.0: the queries of UART and SLEEP, CWQAP=? with a plain OK. CWHOSTNAME was there already in 0.10
# (at-dialects 10).
V0_10 = changed(DOC, "UART:qs UART_CUR:qs UART_DEF:qs SLEEP:qs CWQAP:te CWAUTOCONN:qs CWHOSTNAME:qs")
V1_0 = changed(V0_10, "SYSFLASH:qs BLEINIT:q BLEADDR:")  # observed 1.0; of BLEADDR no form is simulated
V1_2 = changed(V1_0, "SYSMSG:qs")  # at-dialects 5
V2_0 = changed(V1_2, "SYSLOG:qs SYSTIMESTAMP:qs RFPOWER:qs")  # observed 2.0
V2_1 = changed(V2_0, "SYSSTORE:qs CWCOUNTRY:qs CWQIF:se")  # at-dialects 5; the last two: later documents
V2_2 = changed(V2_1, "CMD:q CWJAP:qse CWSTATE:q CWRECONNCFG:qs USERRAM:q")  # at-dialects 1.2, 5, 6
# No test form of CWMODE and CWQAP (cmd-list of 4.1; when they went is a guess).
V2_4 = changed(V2_2, "CWMODE:qs CWQAP:e")
V3_2 = changed(V2_4, "SYSMFG:qs SYSMSGFILTER:qs SYSMSGFILTERCFG:q CWINIT:qs")  # at-dialects 1.2
V4_1 = changed(
    V3_2, "CWSTAPROTO:qs CWAPPROTO:qs SYSREG: HTTPCHEAD:q MQTTCONN:q", removed="BLEINIT BLEADDR"
)  # observed 4.1
V4_2 = changed(V4_1, "BLEINIT:q BLEADDR:", removed="HTTPCHEAD MQTTCONN")  # observed 4.2

# AT+CMD? of 4.1 but for the one command of the third-party build, in its order.
V4_1_LISTING = forms(
    """
    AT:e ATE0:e ATE1:e RST:e GMR:e CMD:q SAVETRANSLINK:s TRANSINTVL:qs SYSTIMESTAMP:qs GSLP:s SLEEP:qs
    SLEEPWKCFG:s RESTORE:e SYSRAM:qs SYSFLASH:qs SYSMFG:qs SYSMSGFILTER:qs SYSMSGFILTERCFG:qs RFPOWER:qs
    RFCAL:e SYSMSG:qs SYSROLLBACK:qe SYSLOG:qs SYSLSPCFG:s SYSLSP:e SYSSTORE:qs SYSREG:s CWINIT:qs CWMODE:qs
    CWBANDWIDTH:qs CWSTATE:q CWCONFIG:qs CWJAP:qse CWRECONNCFG:qs CWLAP:se CWLAPOPT:s CWQAP:e CWSAP:qs CWLIF:e
    CWQIF:se CWDHCP:qs CWDHCPS:qs CWSTAPROTO:qs CWAPPROTO:qs CWAUTOCONN:qs CWHOSTNAME:qs CWCOUNTRY:qs
    CWSTARTSMART:se CWSTOPSMART:e WPS:s CWJEAP:qs MDNS:s CIFSR:e CIPSTAMAC:qs CIPAPMAC:qs CIPSTA:qs CIPAP:qs
    CIPV6:qs CIPDNS:qs CIPDOMAIN:s CIPSTATUS:e CIPSTATE:q CIPSTART:s CIPSTARTEX:s CIPTCPOPT:qs CIPCLOSE:se
    CIPSEND:se CIPSENDL:s CIPSENDLCFG:qs CIPSENDEX:s CIPDINFO:qs CIPMUX:qs CIPRECVMODE:qs CIPRECVTYPE:qs
    CIPRECVDATA:s CIPRECVLEN:q CIPSERVER:qs CIPSERVERMAXCONN:qs CIPSSLCCONF:qs CIPSSLCCN:qs CIPSSLCSNI:qs
    CIPSSLCALPN:qs CIPSSLCPSK:qs CIPSSLCPSKHEX:qs CIPSSLCCIPHER:qs CIPMODE:qs CIPSTO:qs CIPSNTPCFG:qs
    CIPSNTPINTV:qs CIPSNTPTIME:q CIPRECONNINTV:qs PING:s MQTTUSERCFG:s MQTTCLIENTID:s MQTTUSERNAME:s
    MQTTPASSWORD:s MQTTLONGCLIENTID:s MQTTLONGUSERNAME:s MQTTLONGPASSWORD:s MQTTCONNCFG:s MQTTSNI:s MQTTALPN:s
    MQTTCONN:qs MQTTPUB:s MQTTPUBRAW:s MQTTSUB:qs MQTTUNSUB:s MQTTCLEAN:s HTTPCLIENT:s HTTPGETSIZE:s
    HTTPURLCFG:qs HTTPCHEAD:qs HTTPCGET:s HTTPCPOST:s HTTPCPUT:s HTTPCFG:s DRVADC:s DRVPWMINIT:s DRVPWMDUTY:s
    DRVPWMFADE:s DRVI2CINIT:s DRVI2CRD:s DRVI2CWRDATA:s DRVI2CWRBYTES:s DRVSPICONFGPIO:s DRVSPIINIT:s
    DRVSPIRD:s DRVSPIWR:s FACTPLCP:s CIUPDATE:qse CIPFWVER:q UART:qs UART_CUR:qs UART_DEF:qs USERRAM:qs
    USEROTA:s USERDOCS:q USERWKMCUCFG:s USERMCUSLEEP:s
    """
)
