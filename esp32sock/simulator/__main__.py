"""`python -m esp32sock.simulator`: the same as `esp32sock simulate`."""

import sys

from esp32sock.simulator.cli import main

sys.exit(main())
