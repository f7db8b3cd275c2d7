"""Operators along time: scan and CTC."""
