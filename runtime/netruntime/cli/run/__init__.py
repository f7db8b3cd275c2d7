"""`netrun run`."""
