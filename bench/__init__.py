"""What esp32sock costs, measured: `python -m bench NAME [--json]`, one file a bench."""
