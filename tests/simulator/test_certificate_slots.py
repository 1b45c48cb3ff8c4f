"""Certificate slots: what is in them, what fills them, and that SSL links use it."""

from __future__ import annotations

import ssl

import pytest
import trustme

from esp32sock.simulator import Scenario
from esp32sock.simulator.firmware.certificate_slots import pki_image, read_pki_image
from esp32sock.simulator.protocol_sim import settings_of
from tests.simulator.host_side import CLOCK, NOW, VERIFY, module_on_this_machine, pem, tls_server


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


# Empty slots


@pytest.mark.parametrize(
    ("profile", "empty", "auth", "line"),
    [
        ("2.4", "client_ca.0", 2, b"NO CA FOUND\r\n"),
        ("2.4", "client_cert.0", 1, b"NO CERT FOUND\r\n"),
        ("2.4", "client_key.0", 3, b"NO PRVT_KEY FOUND\r\n"),
        ("4.1", "client_ca.0", 3, b"NO CA FOUND\r\n"),
        ("1.0", "client_ca.0", 2, b""),
    ],
)
async def test_an_empty_slot_refuses_the_link(authority, profile, empty, auth, line):
    """At-dialects 3.4: from 1.1.1 on with a line of its own."""
    async with (
        tls_server(authority) as start,
        module_on_this_machine(profile, certificates=((empty, ""),)) as host,
    ):
        fields = f"{auth},1" if profile == "1.0" else f"0,{auth},0,0"
        await host.do(f"AT+CIPSSLCCONF={fields}")
        await host.stream.send_all(start.encode() + b"\r\n")
        assert await host.until(b"\r\nERROR\r\n") == line + b"\r\nERROR\r\n"


@pytest.mark.parametrize("text", ["-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n"])
async def test_a_slot_full_of_garbage_refuses_the_link(authority, text):
    async with (
        tls_server(authority) as start,
        module_on_this_machine(certificates=(("client_ca.0", text),)) as host,
    ):
        await host.do(CLOCK, VERIFY)
        await host.refused(start)
        await host.do("AT")


# Filling the slots


async def write_behind_prompt(host, line, data):
    await host.stream.send_all(line.encode() + b"\r\n")
    assert await host.until(b">") == b"\r\nOK\r\n\r\n>"
    await host.stream.send_all(data)
    assert await host.until(b"OK\r\n") == b"\r\nOK\r\n"


@pytest.mark.parametrize("profile", ["3.2", "3.4", "4.1", "4.2", "5.0"])
async def test_sysmfg_fills_a_slot(authority, profile):
    data = authority.cert_pem.bytes()
    async with tls_server(authority) as start, module_on_this_machine(profile) as host:
        await host.do(CLOCK, VERIFY)
        await host.refused(start)
        await write_behind_prompt(host, f'AT+SYSMFG=2,"client_ca","client_ca.1",8,{len(data)}', data)
        await host.do("AT+CIPSSLCCONF=0,2,0,1", start, "AT+CIPCLOSE=0")
        await host.stream.send_all(b'AT+SYSMFG=1,"client_ca"\r\n')
        keys = b'+SYSMFG:"client_ca","client_ca.0",8\r\n+SYSMFG:"client_ca","client_ca.1",8\r\n'
        assert await host.until(b"OK\r\n") == keys + b"\r\nOK\r\n"
        await host.stream.send_all(b'AT+SYSMFG=1,"client_ca","client_ca.1"\r\n')
        head = b'+SYSMFG:"client_ca","client_ca.1",8,%d,' % len(data)
        assert await host.until(b"\r\nOK\r\n") == head + data + b"\r\n\r\nOK\r\n"
        await host.do('AT+SYSMFG=0,"client_ca","client_ca.1"')
        await host.stream.send_all(start.encode() + b"\r\n")
        await host.until(b"NO CA FOUND\r\n\r\nERROR\r\n")


async def test_sysmfg_holds_other_things_too():
    async with module_on_this_machine("4.1") as host:
        await host.do('AT+SYSMFG=2,"mine","answer",6,-42')
        await write_behind_prompt(host, 'AT+SYSMFG=2,"mine","name",7,4', b"ESP,")
        await host.stream.send_all(b'AT+SYSMFG=1,"mine","answer"\r\n')
        assert await host.until(b"OK\r\n") == b'+SYSMFG:"mine","answer",6,3,-42\r\n\r\nOK\r\n'
        await host.stream.send_all(b'AT+SYSMFG=1,"mine","name",1,2\r\n')
        assert await host.until(b"OK\r\n") == b'+SYSMFG:"mine","name",7,2,SP\r\n\r\nOK\r\n'
        await host.stream.send_all(b"AT+SYSMFG=1\r\n")
        assert (await host.until(b"\r\nOK\r\n")).endswith(b'+SYSMFG:"mine"\r\n\r\nOK\r\n')
        await host.do('AT+SYSMFG=0,"mine"')
        for line in (
            'AT+SYSMFG=1,"mine","answer"',
            'AT+SYSMFG=0,"mine","answer"',
            'AT+SYSMFG=0,"others"',
            'AT+SYSMFG=2,"mine","x",1,256',
            'AT+SYSMFG=2,"mine","x",9,1',
            'AT+SYSMFG=2,"mine","sixteen_bytes_16",1,1',
        ):
            await host.refused(line)


@pytest.mark.parametrize("profile", ["1.2", "2.0", "2.4"])
async def test_sysflash_fills_the_slots_of_older_firmware(authority, profile):
    """Erase, then write an image as Espressif's tool makes it; number 1 is the second authority in it."""
    image = pki_image([(1, 0, b"nothing of use"), (1, 1, authority.cert_pem.bytes())])
    async with tls_server(authority) as start, module_on_this_machine(profile) as host:
        host.module.firmware.board.set_clock(NOW)
        await host.do("AT+CIPSSLCCONF=0,2,0,1")
        await host.refused(start)
        await host.do('AT+SYSFLASH=0,"client_ca"')
        await write_behind_prompt(host, f'AT+SYSFLASH=1,"client_ca",0,{len(image)}', image)
        await host.do(start, "AT+CIPCLOSE=0")
        await host.stream.send_all(b'AT+SYSFLASH=2,"client_ca",0,%d\r\n' % (len(image) + 2))
        head = b"+SYSFLASH:%d," % (len(image) + 2)
        assert await host.until(b"\r\nOK\r\n") == head + image + b"\xff\xff\r\nOK\r\n"


async def test_a_flash_must_be_erased_before_it_is_written():
    async with module_on_this_machine("2.0") as host:
        await write_behind_prompt(host, 'AT+SYSFLASH=1,"ble_data",4095,2', b"\xf0\x0f")
        await write_behind_prompt(host, 'AT+SYSFLASH=1,"ble_data",4095,2', b"\x33\x33")
        await host.stream.send_all(b'AT+SYSFLASH=2,"ble_data",4095,3\r\n')
        assert await host.until(b"OK\r\n") == b"+SYSFLASH:3,\x30\x03\xff\r\nOK\r\n"
        await host.do('AT+SYSFLASH=0,"ble_data",4096,4096')
        await host.stream.send_all(b'AT+SYSFLASH=2,"ble_data",4095,3\r\n')
        assert await host.until(b"OK\r\n") == b"+SYSFLASH:3,\x30\xff\xff\r\nOK\r\n"
        for line in (
            'AT+SYSFLASH=0,"ble_data",1,4096',
            'AT+SYSFLASH=0,"mfg_nvs"',
            'AT+SYSFLASH=2,"ble_data"',
            'AT+SYSFLASH=2,"ble_data",0,12289',
            'AT+SYSFLASH=3,"ble_data",0,1',
        ):
            await host.refused(line)


async def test_erasing_the_manufacturing_partition_empties_every_slot(authority):
    async with tls_server(authority) as start, module_on_this_machine("4.1") as host:
        await host.do("AT+CIPSSLCCONF=0,1,0,0", 'AT+SYSFLASH=0,"mfg_nvs"')
        await host.stream.send_all(start.encode() + b"\r\n")
        await host.until(b"NO CERT FOUND\r\n\r\nERROR\r\n")
        await host.refused('AT+SYSFLASH=2,"mfg_nvs",0,16')


async def test_restore_leaves_the_certificates(authority):
    data = authority.cert_pem.bytes()
    async with tls_server(authority) as start, module_on_this_machine("4.1") as host:
        await write_behind_prompt(host, f'AT+SYSMFG=2,"client_ca","client_ca.0",8,{len(data)}', data)
        await host.do("AT+RESTORE")
        await host.until(b"\r\nready\r\n")
        await host.do("AT+CWMODE=1", 'AT+CWJAP="Espressif",""', "AT+CIPMUX=1", CLOCK, VERIFY, start)


async def test_der_is_taken_as_well(authority):
    data = ssl.PEM_cert_to_DER_cert(pem(authority))
    async with tls_server(authority) as start, module_on_this_machine("4.1") as host:
        await write_behind_prompt(host, f'AT+SYSMFG=2,"client_ca","client_ca.0",8,{len(data)}', data)
        await host.do(CLOCK, VERIFY, start)


def test_an_image_is_read_as_far_as_it_is_one():
    items = [(1, 0, b"abc"), (3, 7, b"wxyz"), (2, 255, b"")]
    image = pki_image(items)
    assert image[:8] == b"\xf1\xf1\x03\x00" + (len(image) - 8).to_bytes(4, "little")
    assert read_pki_image(image) == {(kind, number): content for kind, number, content in items}
    assert read_pki_image(image + b"\xff" * 100) == read_pki_image(image)
    assert read_pki_image(image[:17]) == {(1, 0): b"abc"}
    assert read_pki_image(b"\xff" * 4096) == read_pki_image(b"") == {}


@pytest.mark.parametrize("profile", ["2.4", "4.1"])
async def test_a_world_and_a_url_fill_slots(authority, tmp_path, profile):
    (tmp_path / "ca.pem").write_text(pem(authority))
    (tmp_path / "scenario.toml").write_text('[certificates]\nclient_ca = "ca.pem"\n')
    scenario = Scenario.read(tmp_path / "scenario.toml")
    url = settings_of(
        f"sim://{profile}?certificate=client_ca={tmp_path / 'ca.pem'}&certificate=client_cert.3="
    )
    assert url.certificates == (("client_ca.0", pem(authority)), ("client_cert.3", ""))
    assert Scenario.of({"certificates": {"client_ca.0": pem(authority)}}) == scenario
    async with tls_server(authority) as start:
        for certificates in (scenario.certificates, url.certificates):
            async with module_on_this_machine(profile, certificates=certificates) as host:
                await host.do(CLOCK, VERIFY, start)


def test_mistakes_in_slots_are_named(tmp_path):
    (tmp_path / "no.pem").write_text("hello")
    with pytest.raises(ValueError, match="no PEM in it"):
        settings_of(f"sim://2.4?certificate=client_ca={tmp_path / 'no.pem'}")
    with pytest.raises(FileNotFoundError):
        settings_of(f"sim://2.4?certificate=client_ca={tmp_path / 'none.pem'}")
    with pytest.raises(ValueError, match=r"no certificate slot 'client_ca\.x'"):
        settings_of("sim://2.4?certificate=client_ca.x=y")
