"""A simulated ESP32 with Espressif's AT firmware, written from its documents and from captures of real
firmware.

`open_module` runs one in memory, `BackgroundModule` in a thread behind a terminal, `serve` for other
programs; pyserial opens one as `sim://` (protocol_sim.py).
"""

from __future__ import annotations

from esp32sock.simulator.device import Device as Device
from esp32sock.simulator.device import Observer as Observer
from esp32sock.simulator.environment.radio import AccessPoint as AccessPoint
from esp32sock.simulator.environment.scenario import Scenario as Scenario
from esp32sock.simulator.environment.settings import OBSERVED_TIMING as OBSERVED_TIMING
from esp32sock.simulator.environment.settings import Identity as Identity
from esp32sock.simulator.environment.settings import Settings as Settings
from esp32sock.simulator.environment.settings import Timing as Timing
from esp32sock.simulator.faults.hooks import Faults as Faults
from esp32sock.simulator.faults.spec import parse_faults as parse_faults
from esp32sock.simulator.network.host import HostNetwork as HostNetwork
from esp32sock.simulator.network.memory import Connection as Connection
from esp32sock.simulator.network.memory import MemoryNetwork as MemoryNetwork
from esp32sock.simulator.observers.journal import Journal as Journal
from esp32sock.simulator.observers.journal import LinkRecord as LinkRecord
from esp32sock.simulator.observers.pcapng import PcapNg as PcapNg
from esp32sock.simulator.observers.trace import TextTrace as TextTrace
from esp32sock.simulator.profiles.generations import DEFAULT_PROFILE as DEFAULT_PROFILE
from esp32sock.simulator.profiles.generations import PROFILES as PROFILES
from esp32sock.simulator.profiles.generations import Profile as Profile
from esp32sock.simulator.runtime.background import BackgroundModule as BackgroundModule
from esp32sock.simulator.runtime.background import opened_modules as opened_modules
from esp32sock.simulator.runtime.controls import Controls as Controls
from esp32sock.simulator.runtime.runner import open_module as open_module
from esp32sock.simulator.runtime.serve import serve as serve
from esp32sock.simulator.serial.wire import HostLine as HostLine
