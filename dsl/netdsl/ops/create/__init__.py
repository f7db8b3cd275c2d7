"""Operators that make arrays: constants, ranges, masks, random numbers."""
