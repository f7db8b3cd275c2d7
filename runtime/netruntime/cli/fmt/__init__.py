"""`netrun fmt`."""
