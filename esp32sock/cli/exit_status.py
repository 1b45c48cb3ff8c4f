"""The exit statuses of the command line."""

from __future__ import annotations

import os

FAILED = 1
USAGE = 2
"""argparse ends with it too."""
NO_MODULE = os.EX_UNAVAILABLE
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""

EXIT_STATUS = """\
exit status: 0 success, 1 failure, 2 wrong usage, 69 no module can be reached, 130 interrupted by Ctrl-C
"""
