"""SSL links of a module to real TLS on this machine, and what verification needs."""

from __future__ import annotations

import datetime
import ssl
from contextlib import suppress

import pytest
import trio
import trustme

from esp32sock.simulator.environment.certificates import CA, CLIENT_CERTIFICATE, CLIENT_KEY
from tests.simulator.host_side import (
    CLOCK,
    NOW,
    VERIFY,
    module_on_this_machine,
    opens,
    pem,
    tls_server,
    trusting,
)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger():
    return trustme.CA()


async def test_tls_link(authority):
    async with tls_server(authority) as start, module_on_this_machine() as host:
        await host.do(start)
        await host.send(b"hello" * 1000, 0)
        got = b""
        while len(got) < 5000:
            head = await host.until(b":")
            count = int(head.rsplit(b",", 1)[1][:-1])
            while len(host.seen) < count + 2:
                host.seen += await host.stream.receive_some()
            got += host.seen[:count]
            host.seen = host.seen[count + 2 :]
        assert got == b"hello" * 1000
        await host.do("AT+CIPCLOSE=0")


async def test_tls_to_a_plain_server_fails():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, _greet, 0)
        async with module_on_this_machine() as host:
            port = listeners[0].socket.getsockname()[1]
            await host.refused(f'AT+CIPSTART=0,"SSL","10.0.2.2",{port}')
        nursery.cancel_scope.cancel()


async def _greet(stream):
    await stream.send_all(b"HELLO, this is not TLS at all\r\n")
    await stream.receive_some(100)


# Verification


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([CLOCK, VERIFY], True),
        ([VERIFY], False),
        ([CLOCK, VERIFY, 'AT+CIPSSLCCN=0,"localhost"'], True),
        ([CLOCK, VERIFY, 'AT+CIPSSLCCN=0,"elsewhere"'], False),
        ([CLOCK, VERIFY, 'AT+CIPSSLCCN=0,"elsewhere"', 'AT+CIPSSLCCN=0,""'], True),
        (["AT+CIPSSLCCONF=0,0"], True),
    ],
    ids=["verified", "in 1970", "right name", "wrong name", "name cleared", "unverified"],
)
async def test_verification_needs_clock_and_name(authority, settings, expected):
    """At-dialects 7.4: verification needs the clock; CIPSSLCCN is what compares the name."""
    async with tls_server(authority) as start, module_on_this_machine(**trusting(authority)) as host:
        await host.do(*settings)
        await opens(host, start, expected)


@pytest.mark.parametrize("profile", ["1.2", "2.0", "2.1", "2.2", "2.4", "3.2", "3.4", "4.1", "4.2", "5.0"])
async def test_an_unknown_authority_is_refused_on_every_generation(authority, stranger, profile):
    async with (
        tls_server(stranger) as start,
        tls_server(authority) as right,
        module_on_this_machine(profile, **trusting(authority)) as host,
    ):
        if profile == "1.2":
            host.module.firmware.board.set_clock(NOW)  # it has no AT+SYSTIMESTAMP, only SNTP
        else:
            await host.do(CLOCK)
        await host.do(VERIFY)
        await host.refused(start)
        await host.do(right, "AT+CIPCLOSE=0", "AT+CIPSSLCCONF=0,0,0,0", start)


async def test_a_self_signed_certificate_is_refused():
    alone = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    alone.issue_cert("localhost").configure_cert(context)
    async with tls_server(alone) as start, module_on_this_machine() as host:
        await host.do(CLOCK, VERIFY)  # the shipped authority is in the slot
        await host.refused(start)


@pytest.mark.parametrize(
    ("clock", "expected"), [(1_599_999_000, False), (1_600_001_000, True), (1_700_001_000, False)]
)
async def test_the_clock_of_the_module_judges(authority, clock, expected):
    """Not this machine's: the certificate has expired for everybody else."""
    validity = {
        "not_before": datetime.datetime.fromtimestamp(1_600_000_000, datetime.UTC),
        "not_after": datetime.datetime.fromtimestamp(1_700_000_000, datetime.UTC),
    }
    async with (
        tls_server(authority, **validity) as start,
        module_on_this_machine(**trusting(authority)) as host,
    ):
        await host.do(f"AT+SYSTIMESTAMP={clock}", VERIFY)
        await opens(host, start, expected)


async def test_sntp_sets_the_clock_that_verification_needs(authority):
    async with tls_server(authority) as start, module_on_this_machine("3.4", **trusting(authority)) as host:
        await host.do(VERIFY)
        await host.refused(start)
        await host.do('AT+CIPSNTPCFG=1,0,"time.test"')
        await host.until(b"+TIME_UPDATED\r\n")
        await host.do(start)


async def test_wildcards_stand_for_one_label(authority):
    async with (
        tls_server(authority, "*.example.test") as start,
        module_on_this_machine(**trusting(authority)) as host,
    ):
        await host.do(CLOCK, VERIFY, 'AT+CIPSSLCCN=0,"a.b.example.test"')
        await host.refused(start)
        await host.do('AT+CIPSSLCCN=0,"A.example.test"', start)


async def test_names_that_the_server_sees(authority):
    seen = {}
    async with tls_server(authority, alpn=["x1", "h9"], seen=seen) as start, module_on_this_machine() as host:
        await host.do(start, "AT+CIPCLOSE=0")
        assert seen["sni"] is None
        await host.do('AT+CIPSSLCSNI=0,"shop.test"', 'AT+CIPSSLCALPN=0,2,"h9","x1"', start)
        await host.send(b"x", 0)
        await host.until(b"+IPD,0,1:x")
        assert (seen["sni"], seen["alpn"]) == ("shop.test", "x1")
        await host.do("AT+CIPCLOSE=0", 'AT+CIPSSLCSNI=0,""', "AT+CIPSSLCALPN=0,0", start)
        await host.send(b"x", 0)
        await host.until(b"+IPD,0,1:x")
        assert (seen["sni"], seen["alpn"]) == (None, None)


async def test_the_module_shows_its_own_certificate(authority):
    seen = {}
    async with tls_server(authority, clients=CA, seen=seen) as start, module_on_this_machine() as host:
        await host.refused(start)
        await host.do("AT+CIPSSLCCONF=0,1,0,0", start)
        await host.send(b"x", 0)
        await host.until(b"+IPD,0,1:x")
        assert ("commonName", "esp32-client.simulated") in [name for (name,) in seen["client"]["subject"]]


# Keys instead of certificates


CAN_USE_KEYS = hasattr(ssl.SSLContext, "set_psk_server_callback")
"""Python from 3.13 on; before, such a server refuses everybody."""


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ('AT+CIPSSLCPSK=0,"secret","me"', True),
        ('AT+CIPSSLCPSKHEX=0,"736563726574","me"', True),
        ('AT+CIPSSLCPSK=0,"guess","me"', False),
    ],
)
async def test_a_pre_shared_key_opens(setting, expected):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")
    if CAN_USE_KEYS:
        context.set_psk_server_callback(lambda identity: b"secret" if identity == "me" else b"")

    async def echo(stream):
        with suppress(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_side=True).do_handshake()
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        async with module_on_this_machine("3.4") as host:
            await host.do(setting)
            port = listeners[0].socket.getsockname()[1]
            await opens(host, f'AT+CIPSTART=0,"SSL","10.0.2.2",{port}', expected and CAN_USE_KEYS)
        nursery.cancel_scope.cancel()


async def test_a_server_with_a_certificate_does_not_mind_a_key(authority):
    async with tls_server(authority) as start, module_on_this_machine("3.4") as host:
        await host.do('AT+CIPSSLCPSKHEX=0,"00ff","me"', start)
        await host.stream.send_all(b"AT+CIPSSLCPSKHEX?\r\n")
        assert await host.until(b"OK\r\n") == b'+CIPSSLCPSKHEX:0,"00FF","me"\r\n\r\nOK\r\n'
        await host.refused('AT+CIPSSLCPSKHEX=0,"0f0","me"')


# Servers


@pytest.mark.parametrize("own", [False, True], ids=["shipped", "from a slot"])
async def test_tls_server(authority, own):
    context = ssl.create_default_context(cadata=pem(authority) if own else CA)
    context.check_hostname = own
    slots = ()
    if own:
        leaf = authority.issue_cert("module.test")
        certificate = b"".join(each.bytes() for each in leaf.cert_chain_pems).decode()
        slots = (("server_cert.0", certificate), ("server_key.0", leaf.private_key_pem.bytes().decode()))
    async with module_on_this_machine(certificates=slots) as host:
        await host.do('AT+CIPSERVER=1,45083,"SSL"')
        plain = await trio.open_tcp_stream(host.network.address, 45083)
        client = trio.SSLStream(plain, context, server_hostname="module.test")
        await client.do_handshake()
        await host.until(b"0,CONNECT\r\n")
        await client.send_all(b"secret")
        await host.until(b"+IPD,0,6:secret\r\n")
        await host.send(b"answer", 0)
        assert await client.receive_some(100) == b"answer"
        await trio.aclose_forcefully(client)
        await host.until(b"0,CLOSED\r\n")


@pytest.mark.parametrize("shown", [True, False])
async def test_tls_server_that_verifies_its_clients(tmp_path, shown):
    context = ssl.create_default_context(cadata=CA)
    context.check_hostname = False
    if shown:
        (tmp_path / "client.pem").write_text(CLIENT_CERTIFICATE + CLIENT_KEY)
        context.load_cert_chain(tmp_path / "client.pem")
    async with module_on_this_machine() as host:
        await host.do(CLOCK, 'AT+CIPSERVER=1,45084,"SSL",1')
        async with await trio.open_tcp_stream(host.network.address, 45084) as plain:
            client = trio.SSLStream(plain, context, server_hostname="x")
            if shown:
                await client.do_handshake()
                await host.until(b"0,CONNECT\r\n")
            else:
                with pytest.raises(trio.BrokenResourceError):
                    await client.receive_some(1)  # the handshake is in it
                assert host.module.journal.links == []
            await trio.aclose_forcefully(client)
