"""The readers of data, one module for each kind of file."""
