"""The table of a model's layers."""

from netruntime.draw.table.counting import summary
from netruntime.draw.table.counts import Counts, Row
from netruntime.draw.table.summary import Summary

__all__ = ["Counts", "Row", "Summary", "summary"]
