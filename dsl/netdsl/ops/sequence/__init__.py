"""Operators over sequences: scan and CTC."""
