"""Operators that rearrange, cut, join and pad arrays."""
