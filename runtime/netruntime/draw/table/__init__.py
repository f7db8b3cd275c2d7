"""The table of a model's layers."""

from netruntime.draw.table.counting import check_sizes, sizes_of, summary
from netruntime.draw.table.counts import Counts, Row
from netruntime.draw.table.summary import Summary

__all__ = ["Counts", "Row", "Summary", "check_sizes", "sizes_of", "summary"]
