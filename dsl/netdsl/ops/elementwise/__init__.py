"""Elementwise operators: arithmetic, comparisons, activations."""
