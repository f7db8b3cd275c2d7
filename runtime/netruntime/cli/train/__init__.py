"""`netrun train`."""
