"""Chaos by seed: `python -m tests.chaos SEED...` or `--range A B [--jobs N] [--state FILE]`.

Prints what went wrong with a trace, and a summary; with `--state` a run that was stopped goes on from there.
The exit status is 0 if no seed had a violation.
"""

from __future__ import annotations

import sys

from tests.chaos.soak import main

if __name__ == "__main__":
    sys.exit(main())
