"""The steps of `netrun train`, `netrun eval` and `netrun predict`."""
