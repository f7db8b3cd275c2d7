"""Operators that select elements by index."""
