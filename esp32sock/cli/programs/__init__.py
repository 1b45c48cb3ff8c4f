"""Programs of the demonstration. None of them knows esp32sock."""
