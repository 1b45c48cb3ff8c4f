"""Fuzzing: targets, engines, planted faults, sanitizer builds; CONTRIBUTING says how."""
