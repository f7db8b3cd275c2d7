"""`netrun eval`."""
