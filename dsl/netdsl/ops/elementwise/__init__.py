"""Operators that treat each element by itself: arithmetic, comparisons, activations."""
