"""`netrun predict`."""
