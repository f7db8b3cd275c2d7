"""The demo of the project: `make demo`."""
