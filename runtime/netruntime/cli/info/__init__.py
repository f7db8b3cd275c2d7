"""`netrun info`."""
