"""Captures of real firmware, replayed against the simulated module.

`python -m tests.simulator.replay [FILE ...]` prints the report.
"""
