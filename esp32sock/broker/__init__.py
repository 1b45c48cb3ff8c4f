"""The verbs of `net/interface_api.py` across a process border: one port, many programs."""
