"""Settings that outlive the program that made them, until the restart or beyond it (real-firmware 8;
documents of SYSSTORE, CIPRECVTYPE and CIPTCPOPT). A program that comes later finds them.
"""

import pytest

from esp32sock.simulator.network.api import Close
from esp32sock.simulator.network.memory import MemoryNetwork
from tests.simulator.conftest import sink

OK = b"\r\nOK\r\n"

# (profiles, the line that sets it, the query, its answer, whether a restart ends it)
SETTINGS = [
    (("2.0", "2.4"), "AT+CIPRECVMODE=1", "AT+CIPRECVMODE?", "+CIPRECVMODE:1", True),
    (("3.4", "4.1"), "AT+CIPRECVTYPE=1", "AT+CIPRECVTYPE?", "+CIPRECVTYPE:0,1", True),
    (("2.1",), "AT+CIPTCPOPT=0,1,500", "AT+CIPTCPOPT?", "+CIPTCPOPT:0,0,1,500", False),
    (("2.4", "4.1"), "AT+CIPTCPOPT=0,1,500,60", "AT+CIPTCPOPT?", "+CIPTCPOPT:0,0,1,500,60", False),
    (("2.0", "4.1"), "AT+CIPDINFO=1", "AT+CIPDINFO?", "+CIPDINFO:true", True),
    (("2.0", "4.1"), "AT+CIPMUX=1", "AT+CIPMUX?", "+CIPMUX:1", True),
    (("2.0", "4.1"), "AT+CIPSERVERMAXCONN=2", "AT+CIPSERVERMAXCONN?", "+CIPSERVERMAXCONN:2", True),
    (("1.2", "2.0", "4.1"), "AT+SYSMSG=2", "AT+SYSMSG?", "+SYSMSG:2", False),
]
CASES = [(profile, *rest) for profiles, *rest in SETTINGS for profile in profiles]


@pytest.mark.parametrize(("profile", "line", "query", "answer", "ends"), CASES)
def test_a_setting_stays(quiet, profile, line, query, answer, ends):
    """After links have come and gone it still holds; a restart ends it, or does not where it is stored."""
    bench = quiet(profile)
    bench.do(line)
    link = "0," if "CIPMUX" in line else ""
    bench.do(f'AT+CIPSTART={link}"TCP","10.0.2.2",7000', "AT+CIPCLOSE" + ("=0" if link else ""))
    shown = answer.encode()
    assert bench.say(query.encode() + b"\r\n").startswith(shown)
    bench.say(b"AT+RST\r\n")
    bench.do("ATE0")
    assert bench.say(query.encode() + b"\r\n").startswith(shown) is not ends


@pytest.mark.parametrize(("profile", "line"), [("2.4", "AT+CIPRECVMODE=1"), ("4.1", "AT+CIPRECVTYPE=4,1")])
def test_a_link_of_a_later_program_is_passive(quiet, profile, line):
    """Its data is announced and not printed, whatever kind of link comes to the id."""
    network = MemoryNetwork()
    network.listen("10.0.2.2", 7004, sink)
    network.answer_datagrams("10.0.2.2", 7005, lambda data: [data])
    bench = quiet(profile, network=network)
    bench.do("AT+CIPMUX=1", line, 'AT+CIPSTART=4,"TCP","10.0.2.2",7004', "AT+CIPCLOSE=4")
    bench.do('AT+CIPSTART=4,"TCP","10.0.2.2",7004')
    network.connections[0].send(b"hello")
    assert bench.passes(1) == b"\r\n+IPD,4,5\r\n"
    bench.do("AT+CIPCLOSE=4", 'AT+CIPSTART=4,"UDP","10.0.2.2",7005,1112,0')
    assert network.send_datagram(1112, b"hello")
    assert bench.passes(1) == b"\r\n+IPD,4,5\r\n"


def test_the_later_link_inherits_linger(quiet):
    """docs of CIPTCPOPT: per link id. A linger of 0 s closes with RST."""
    ends = []

    class Watching(MemoryNetwork):
        def handle(self, request):
            if isinstance(request, Close):
                ends.append(request.abort)
            super().handle(request)

    network = Watching()
    network.listen("10.0.2.2", 7000, sink)
    bench = quiet("2.4", network=network)
    bench.do("AT+CIPMUX=1", "AT+CIPTCPOPT=4,0,0,0")
    for link in (4, 4, 3):
        bench.do(f'AT+CIPSTART={link},"TCP","10.0.2.2",7000', f"AT+CIPCLOSE={link}")
    assert ends == [True, True, False]
