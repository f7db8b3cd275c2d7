"""Numbers and sizes as readable text."""

from __future__ import annotations

import re

from netdsl.dims import Dim


def number_text(value: Dim | int, short: bool = False) -> str:
    """`61,706`, or `416.5k` if it is long and `short` is set; an expression as it is written."""
    if isinstance(value, Dim) and not value.is_fixed:
        return re.sub(r"\b\d+\b", lambda digits: f"{int(digits[0]):,}", str(value))
    number = int(value)
    if short and number >= 100_000:
        for unit, scale in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
            if number >= scale:
                return f"{number / scale:.1f}{unit}"
    return f"{number:,}"


def bytes_text(value: Dim | int) -> str:
    """`241.0 KiB`; an expression as it is written, followed by ` B`."""
    if isinstance(value, Dim) and not value.is_fixed:
        return f"{number_text(value)} B"
    number = int(value)
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"
