"""Operators that go through sequences step by step."""

from netruntime.native.lowering.sequences import recurrent, scans

__all__ = ["recurrent", "scans"]
