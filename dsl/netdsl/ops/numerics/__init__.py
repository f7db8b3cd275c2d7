"""Numerical functions that several operators share, on any array module."""
