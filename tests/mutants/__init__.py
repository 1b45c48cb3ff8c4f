"""Mutation sampling: `python -m tests.mutants` breaks the code, one place at a time, and runs its tests."""
