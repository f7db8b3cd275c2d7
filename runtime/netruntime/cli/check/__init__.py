"""`netrun check`."""
