"""The fixtures for users' own tests, each time in a pytest of its own."""

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

# As if by its entry point, which is there or not, as this copy was installed.
LOAD = ("-p", "no:esp32sock", "-p", "esp32sock.shims.pytest_plugin")


@pytest.fixture
def run(pytester):
    def run(text, *words):
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers", *LOAD, *words)

    return run


def test_a_terminal_with_a_module(run):
    result = run(
        """
        import pytest, serial

        def ask(path, line, baud=115200):
            with serial.Serial(path, baud, timeout=20) as port:
                port.write(line)
                return port.read_until(b"OK\\r\\n")

        def test_default(esp32_pty):
            assert ask(esp32_pty, b"AT\\r\\n") == b"AT\\r\\n\\r\\nOK\\r\\n"

        @pytest.mark.esp32(profile="2.0", seed=3, baud=9600)
        class TestOld:
            def test_profile(self, esp32_pty, esp32_module):
                assert b"2.0.0.0" in ask(esp32_pty, b"AT+GMR\\r\\n", 9600)
                assert esp32_module.settings.seed == 3

            @pytest.mark.esp32(profile="2.4")
            def test_nearest_wins(self, esp32_module):
                assert (esp32_module.settings.profile, esp32_module.settings.baud) == ("2.4", 9600)

        @pytest.mark.esp32(faults="busy@1")
        def test_fault(esp32_pty):
            assert ask(esp32_pty, b"AT\\r\\nAT\\r\\n").startswith(b"AT\\r\\n\\r\\nbusy p...")

        SCENARIO = {"access_point": [{"ssid": "attic"}], "network": {"names": {"x.test": "10.0.2.2"}}}

        @pytest.mark.esp32(scenario=SCENARIO)
        def test_world(esp32_pty, tmp_path):
            assert b'"attic"' in ask(esp32_pty, b"AT+CWJAP?\\r\\n")
            assert b"10.0.2.2" in ask(esp32_pty, b'AT+CIPDOMAIN="x.test"\\r\\n')
        """
    )
    result.assert_outcomes(passed=5)


def test_forbidden_sockets_are_named(run):
    """As pytest-socket's --disable-socket forbids them, and its marker allows them again."""
    result = run(
        """
        import socket
        import pytest

        @pytest.fixture(autouse=True)
        def forbid(monkeypatch, request):
            class Guarded(socket.socket):
                def __new__(cls, *args, **options):
                    raise RuntimeError("A test tried to use socket.socket.")

            if not request.node.get_closest_marker("enable_socket"):
                monkeypatch.setattr(socket, "socket", Guarded)

        def test_forbidden(esp32):
            assert False

        @pytest.mark.enable_socket
        def test_allowed(esp32):
            assert esp32.status().station_ip
        """,
        "-o",
        "markers=enable_socket",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*forbidden here (A test tried*pytest.mark.enable_socket"])


def test_an_attached_interface(run):
    result = run(
        """
        import socket as host, threading
        import esp32sock
        from esp32sock import socket

        def test_echo(esp32, esp32_module):
            with host.create_server(("127.0.0.1", 0)) as listener:
                def echo():
                    with listener.accept()[0] as peer:
                        peer.sendall(peer.recv(100))
                thread = threading.Thread(target=echo)
                thread.start()
                with socket.create_connection(("10.0.2.2", listener.getsockname()[1]), timeout=20) as mine:
                    mine.sendall(b"hello")
                    assert mine.recv(100) == b"hello"
                thread.join()
            assert esp32_module.journal.links_opened == 1
            assert esp32sock.default() is esp32
        """
    )
    result.assert_outcomes(passed=1)


def test_the_dialogue_is_in_the_report_of_a_failure(run):
    result = run(
        """
        import serial

        def test_fails(esp32_pty):
            with serial.Serial(esp32_pty, 115200, timeout=20) as port:
                port.write(b"AT+NOSUCH\\r\\n")
                assert port.read_until(b"ERROR\\r\\n") == b""
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*simulated ESP32*", "*H>M     11 AT+NOSUCH*"])


WRONG = {
    'profile="9.9"': "no profile '9.9'",
    "nosuch=1": "no option 'nosuch'; there are",
    'faults="nosuch"': "no fault 'nosuch'",
    'scenario={"x": 1}': "no key 'x'; there are",
    'scenario="nosuch.toml"': "nosuch.toml",
    "3": "takes keywords only",
}


def test_what_cannot_be_is_said(run):
    tests = (
        f"@pytest.mark.esp32({marker})\ndef test_{n}(esp32_pty):\n    pass\n"
        for n, marker in enumerate(WRONG)
    )
    result = run("import pytest\n" + "\n".join(tests))
    result.assert_outcomes(errors=len(WRONG))
    for message in WRONG.values():
        assert message in result.stdout.str()


def test_a_project_that_does_not_use_it_pays_nothing(run):
    result = run(
        """
        import sys

        def test_x():
            light = {"esp32sock.net", "esp32sock.net.context", "esp32sock.net.routes"}  # `attach` needs them
            rooms = {"net", "at", "engine", "broker", "gateway", "cli", "simulator"}
            ours = {name for name in sys.modules if name.startswith("esp32sock.")}
            assert {name for name in ours if name.split(".")[1] in rooms} <= light
            assert "serial" not in sys.modules
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=1)


def test_collecting_imports_nothing_heavy():
    code = (
        "import sys, pytest, esp32sock.shims.pytest_plugin\n"
        "print([name for name in ('trio', 'serial', 'rich', 'esp32sock.simulator') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
