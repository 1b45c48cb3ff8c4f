"""Faults to be found: each patch names its target, and `python -m fuzz.planted` searches for them."""
