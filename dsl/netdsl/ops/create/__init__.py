"""Operators that create arrays: constants, ranges, masks, random numbers."""
