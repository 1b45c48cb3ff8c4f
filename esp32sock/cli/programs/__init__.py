"""Programs of the demonstration. None of them imports esp32sock."""
