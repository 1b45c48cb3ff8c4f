"""One session of a random but seeded host with a module that has every fault: what it said, and when.

Also a program, `python chaos.py FIRST LAST`: a line of digest for each seed, for the test that compares two.
"""

import hashlib
import sys
from random import Random

import trio
import trio.testing

from esp32sock.simulator import PROFILES, MemoryNetwork, Settings, open_module

RARE = (
    "lost-prompt lost-recv lost-send-ok send-fail phantom-closed debug-in-ipd ipd-in-gap close-in-gap "
    "accept-in-gap lost-notice long-notice trailing-comma wifi-loss wifi-storm refuse connect-delay "
    "black-hole peer-reset slow datagram-loss dns-fail dns-delay no-time"
)
FAULTS = ",".join(["all:0.02", *(f"{name}:0.15" for name in RARE.split())])
RATES = (9600, 115200, 921600)


async def echo(connection):
    while data := await connection.receive():
        await connection.sleep(0.01)
        connection.send(data)


async def chatter(connection):
    for n in range(20):
        connection.send(b"\r\nOK\r\n+IPD,0,5:x>0,CLOSED\r\n"[: 3 + n])
        await connection.sleep(0.05)
    connection.close()


async def pour(connection):
    connection.send(bytes(n & 255 for n in range(20_000)))


async def breaks(connection):
    await connection.receive()
    connection.reset()


def network():
    made = MemoryNetwork(names={"host.test": "10.0.2.2"})
    for port, peer in ((7, echo), (8, chatter), (9, pour), (10, breaks)):
        made.listen("10.0.2.2", port, peer)
    made.answer_datagrams("10.0.2.2", 7005, lambda data: [data, data])
    return made


def line(random):
    """A command line, sensible or nearly so."""
    link, port = random.randrange(6), random.choice((7, 8, 9, 10, 11, 7005))
    size = random.choice((1, 5, 100, 2048, 3000))
    return random.choice(
        (
            "AT",
            "ATE0",
            "AT+GMR",
            "AT+CWJAP?",
            'AT+CWJAP="Espressif",""',
            "AT+CWQAP",
            "AT+CWLAP",
            "AT+CIPMUX=1",
            "AT+CIPMUX=0",
            "AT+CIPSTATUS",
            "AT+CIPDINFO=1",
            f"AT+CIPRECVMODE={random.randrange(2)}",
            f"AT+CIPRECVDATA={link},{size}",
            "AT+CIPRECVLEN?",
            f'AT+CIPSTART={link},"TCP","10.0.2.2",{port}',
            f'AT+CIPSTART={link},"TCP","host.test",{port}',
            f'AT+CIPSTART={link},"UDP","10.0.2.2",{port},{random.randrange(1, 5000)},{random.randrange(3)}',
            f'AT+CIPSTART="TCP","10.0.2.2",{port}',
            f"AT+CIPSEND={link},{size}",
            f"AT+CIPSEND={size}",
            "AT+CIPSEND",
            f"AT+CIPCLOSE={link}",
            "AT+CIPCLOSE",
            'AT+CIPDOMAIN="host.test"',
            f"AT+CIPMODE={random.randrange(2)}",
            f"AT+CIPSERVER={random.randrange(2)},80",
            f"AT+UART_CUR={random.choice(RATES)},8,1,0,{random.randrange(4)}",
            "AT+RST",
            "AT+RESTORE",
            f"AT+GSLP={random.randrange(500)}",
            "AT+CWMODE=3",
            "AT+SYSLOG=1",
        )
    )


def send(random, *, link=None):
    size = random.choice((1, 5, 100, 2048))
    label = "" if link is None else f"{link},"
    yield f"AT+CIPSEND={label}{size}\r\n".encode()
    yield random.randbytes(size)


def exchange(random):
    """A link, some payload both ways, and its end; what the host wants, not what it gets."""
    link = random.randrange(5)
    kind, port = random.choice((("TCP", 7), ("TCP", 8), ("TCP", 9), ("TCP", 10), ("UDP", 7005)))
    host = random.choice(("10.0.2.2", "host.test"))
    yield b"AT+CIPMUX=1\r\n"
    yield f'AT+CIPSTART={link},"{kind}","{host}",{port}\r\n'.encode()
    yield from send(random, link=link)
    if random.random() < 0.5:
        yield from send(random, link=link)
        yield f"AT+CIPCLOSE={link}\r\n".encode()


def passive(random):
    yield b"AT+CIPMUX=1\r\n"
    yield random.choice((b"AT+CIPRECVMODE=1\r\n", b"AT+CIPRECVTYPE=5,1\r\n"))
    yield b'AT+CIPSTART=2,"TCP","10.0.2.2",9\r\n'
    for _ in range(3):
        yield b"AT+CIPRECVLEN?\r\n"
        yield b"AT+CIPRECVDATA=2,%d\r\n" % random.choice((10, 2048, 9000))


def passthrough(random):
    yield b'AT+CIPSTART="TCP","10.0.2.2",7\r\n'
    yield b"AT+CIPMODE=1\r\n"
    yield b"AT+CIPSEND\r\n"
    yield random.randbytes(random.choice((5, 3000)))
    yield b"+++"
    yield b"AT+CIPMODE=0\r\n"


def server(random):
    """Strokes that are no bytes are clients that come."""
    yield b"AT+CIPMUX=1\r\n"
    yield b"AT+CIPSERVER=1,80\r\n"
    for peer in (chatter, echo, breaks):
        yield peer
        yield from send(random, link=random.randrange(2))
    yield b"AT+CIPSERVER=0\r\n"


def clock(random):
    yield b'AT+CIPSNTPCFG=1,8,"host.test"\r\n'
    yield b"AT+CIPSNTPTIME?\r\n"
    yield b'AT+PING="host.test"\r\n'


def anything(random):
    yield (
        random.randbytes(random.randrange(1, 400))
        if random.random() < 0.2
        else line(random).encode() + b"\r\n"
    )


def strokes(random):
    """What the host writes, one after the other."""
    for _ in range(4):
        yield from random.choice(
            (exchange, exchange, passive, passthrough, server, clock, anything, anything)
        )(random)


async def session(seed, said, moments):
    random = Random(seed)
    settings = Settings(
        profile=random.choice(list(PROFILES)),
        seed=seed,
        faults=FAULTS,
        paced=seed % 4 == 0,
        baud=random.choice(RATES),
        cold=seed % 3 == 0,
        boot_noise=seed % 5 == 0,
        latency_ms=random.choice((0, 0, 1)),
    )
    peers = network()
    async with open_module(settings, peers) as opened:

        async def listen():
            while data := await opened.stream.receive_some():
                # How the bytes of one moment are cut into reads is trio's affair: they are joined.
                now = round(trio.current_time(), 6)
                if not moments or moments[-1] != now:
                    moments.append(now)
                    said.append(b"")
                said[-1] += data

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            for stroke in strokes(random):
                if callable(stroke):
                    opened.module.advance(opened.runner.now)
                    peers.connect(80, stroke)
                else:
                    await opened.stream.send_all(stroke)
                await trio.sleep(random.choice((0.003, 0.0503, 0.2007)))
            await trio.sleep(1.00093137)  # no deadline of the module falls on this
            nursery.cancel_scope.cancel()


def run(seed):
    """A digest of everything that the module said, and when; it raises if the module does."""
    said, moments = [], []
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(session, seed, said, moments, clock=clock)
    return hashlib.sha256(repr((said, moments)).encode()).hexdigest()[:16]


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        print(number, run(number), flush=True)
