"""`python -m esp32sock.simulator`: the same as `esp32sock simulate`."""

import sys

from .command_line import main

sys.exit(main())
