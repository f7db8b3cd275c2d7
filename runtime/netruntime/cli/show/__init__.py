"""`netrun show`."""
