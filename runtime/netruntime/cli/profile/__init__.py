"""`netrun profile`."""
