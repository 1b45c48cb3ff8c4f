"""A simulated ESP32 with Espressif's AT firmware, written from its documents and from what real firmware was
seen to say.

`open_module` runs one in memory, `BackgroundModule` in a thread behind a terminal, `serve` for other
programs; pyserial opens one as `sim://` (protocol_sim.py).
"""

from __future__ import annotations

from .background import BackgroundModule as BackgroundModule
from .background import opened_modules as opened_modules
from .controls import Controls as Controls
from .fault_spec import parse_faults as parse_faults
from .faults import Faults as Faults
from .host_network import HostNetwork as HostNetwork
from .journal import Journal as Journal
from .journal import LinkRecord as LinkRecord
from .memory_network import Connection as Connection
from .memory_network import MemoryNetwork as MemoryNetwork
from .module import Module as Module
from .module import Observer as Observer
from .pcapng import PcapNg as PcapNg
from .profiles import DEFAULT_PROFILE as DEFAULT_PROFILE
from .profiles import PROFILES as PROFILES
from .profiles import Profile as Profile
from .radio import AccessPoint as AccessPoint
from .runner import open_module as open_module
from .serving import serve as serve
from .settings import OBSERVED_TIMING as OBSERVED_TIMING
from .settings import Identity as Identity
from .settings import Settings as Settings
from .settings import Timing as Timing
from .trace import TextTrace as TextTrace
from .wire import HostLine as HostLine
from .world import World as World
