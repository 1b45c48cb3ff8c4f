"""`python -m esp32sock`: the command line without an installed script."""

from esp32sock.cli import main

raise SystemExit(main())
