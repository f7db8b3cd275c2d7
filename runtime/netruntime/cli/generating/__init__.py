"""The parts of `netrun generate`."""
