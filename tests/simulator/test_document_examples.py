"""The examples of chapter 7 of the 2017 document, on `doc-v1`, as a dialogue of exact bytes.

Comments and blank lines are dropped, and CIFSR answers as in 7.2; the bare addresses of 7.1 and 7.3.1 are
contradictions of the document, listed in `CONTRADICTIONS`. The bare OK to a UDP CIPSTART in 7.3.2 is another:
7.2.1 and 7.2.2 have CONNECT before it.
"""

import pytest

from esp32sock.simulator.environment.radio import AccessPoint, Subnet
from esp32sock.simulator.network.memory import MemoryNetwork

OK = b"\r\nOK\r\n"
PROMPT = b"\r\n>"
SEND_OK = b"\r\nSEND OK\r\n"
SUBNET = Subnet("192.168.101.104", "192.168.101.1", "255.255.255.0", "192.168.101.1")
ROUTER = AccessPoint("SSID", "password", encryption=3, subnet=SUBNET)

CONTRADICTIONS = {
    "7.1 step 3": "192.168.3.106",
    "7.3.1 step 3": "192.168.101.105",
    "7.3.2 step 4": "OK without CONNECT",
}

JOIN = [
    (b"AT+CWMODE=3\r\n", OK),
    (b'AT+CWJAP="SSID", "password"\r\n', OK),
    (
        b"AT+CIFSR\r\n",
        b'+CIFSR:APIP,"192.168.4.1"\r\n+CIFSR:APMAC,"10:01:00:c4:0a:25"\r\n'
        b'+CIFSR:STAIP,"192.168.101.104"\r\n+CIFSR:STAMAC,"10:01:00:c4:0a:24"\r\n' + OK,
    ),
]

TCP_CLIENT = [
    *JOIN,
    (b'AT+CIPSTART="TCP","192.168.101.116",8080\r\n', OK),
    (b"AT+CIPSEND=4\r\n", PROMPT),
    (b"DGFY", SEND_OK + b"\r\n+IPD,4:DGFY"),
]

UDP_FIXED = [
    *JOIN,
    (b"AT+CIPMUX=1\r\n", OK),
    (b'AT+CIPSTART=4, "UDP", "192.168.101.110", 8080, 1112, 0\r\n', b"4,CONNECT\r\n" + OK),
    (b"AT+CIPSEND=4,5\r\n", PROMPT),
    (b"DGFYQ", SEND_OK + b"\r\n+IPD,4,5:DGFYQ"),
    (b"AT+CIPCLOSE=4\r\n", b"4,CLOSED\r\n" + OK),
]

UDP_CHANGEABLE = [
    *JOIN,
    (b'AT+CIPSTART="UDP","192.168.101.110",8080,1112,2\r\n', b"CONNECT\r\n" + OK),
    (b"AT+CIPSEND=5\r\n", PROMPT),
    (b"DGFYQ", SEND_OK + b"\r\n+IPD,5:DGFYQ"),
    (b'AT+CIPSEND=6,"192.168.101.111",1000\r\n', PROMPT),
    (b"abcdef", SEND_OK),
    (b"AT+CIPCLOSE\r\n", b"CLOSED\r\n" + OK),
]

TCP_PASSTHROUGH = [
    *JOIN,
    (b'AT+CIPSTART="TCP", "192.168.101.116", 8080\r\n', OK),
    (b"AT+CIPMODE=1\r\n", OK),
    (b"AT+CIPSEND\r\n", PROMPT),
    (b"anything", b"anything"),
    (b"+++", b""),
    (b"AT+CIPMODE=0\r\n", OK),
    (b"AT+CIPCLOSE\r\n", b"CLOSED\r\n" + OK),
]

UDP_PASSTHROUGH = [
    (b"AT+CWMODE=3\r\n", OK),
    (b'AT+CIPSTART="UDP","192.168.4.2",1001,2233,0\r\n', b"CONNECT\r\n" + OK),
    (b"AT+CIPMODE=1\r\n", OK),
    (b"AT+CIPSEND\r\n", PROMPT),
    (b"anything", b"anything"),
    (b"+++", b""),
    (b"AT+CIPMODE=0\r\n", OK),
    (b"AT+CIPCLOSE\r\n", b"CLOSED\r\n" + OK),
]


async def echo(connection):
    while data := await connection.receive():
        connection.send(data)


@pytest.fixture
def bench(quiet):
    network = MemoryNetwork()
    network.listen("192.168.101.116", 8080, echo)
    network.answer_datagrams("192.168.101.110", 8080, lambda data: [data])
    network.answer_datagrams("192.168.4.2", 1001, lambda data: [data])
    return quiet("doc-v1", network=network, joined=False, access_points=(ROUTER,))


@pytest.mark.parametrize(
    "dialogue",
    [TCP_CLIENT, UDP_FIXED, UDP_CHANGEABLE, TCP_PASSTHROUGH, UDP_PASSTHROUGH],
    ids=["7.1", "7.2.1", "7.2.2", "7.3.1", "7.3.2"],
)
def test_example(bench, dialogue):
    for written, said in dialogue:
        assert bench.say(written, within=5) == said, written


def test_server(bench):
    """7.4: a server in SoftAP mode on the default port; a client sends, is answered, and is closed."""
    connections = []

    async def client(connection):
        connections.append(connection)
        connection.send(b"xxxxxxxxxx")

    bench.do("AT+CWMODE=3", "AT+CIPMUX=1", "AT+CIPSERVER=1")
    assert bench.network.connect(333, client)
    assert bench.passes(1) == b"0,CONNECT\r\n\r\n+IPD,0,10:xxxxxxxxxx"
    assert bench.say(b"AT+CIPSEND=0,4\r\n", within=1) == PROMPT
    assert bench.say(b"iopd", within=1) == SEND_OK
    assert bench.say(b"AT+CIPCLOSE=0\r\n", within=1) == b"0,CLOSED\r\n" + OK
    assert connections[0].closed
