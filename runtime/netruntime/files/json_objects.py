"""JSON objects whose keys must differ; the `json` module keeps the last of several silently."""

from __future__ import annotations

import json
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


def json_text(value: object, *, indent: int | None = None, allow_nan: bool = True) -> str:
    """A value as JSON that UTF-8 can hold: names of files that are not UTF-8 have lone surrogates."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return text.encode(errors="backslashreplace").decode()
