"""`netrun generate`."""
