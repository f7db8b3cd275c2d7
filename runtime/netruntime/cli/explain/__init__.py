"""`netrun explain`."""
