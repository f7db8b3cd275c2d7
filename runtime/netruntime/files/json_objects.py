"""JSON objects whose keys must differ; the `json` module keeps the last of several silently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class DuplicateKeyError(ValueError):
    """A JSON object with a duplicate key."""


def unique_object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict, for `object_pairs_hook`. Raises `DuplicateKeyError`."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise DuplicateKeyError(key)
        table[key] = value
    return table
