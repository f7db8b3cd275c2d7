"""`netrun test`."""
