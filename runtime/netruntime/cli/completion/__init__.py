"""`netrun completion`."""
