"""`netrun init`."""
