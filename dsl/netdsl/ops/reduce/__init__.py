"""Operators that reduce axes: sums, means, extremes, cumulative sums."""
