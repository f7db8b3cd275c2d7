"""The valid values of the arguments of standard blocks, by what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.recipes.limits import FRACTION, LENGTH, SHARE, Bound, Limit

_EPS = Bound("a small number, from 0 to below 1", 0, 1)
_COUNTS = "heads kv_heads groups channels hidden count size stride dilation ff width layers sizes head_size"
_BY_NAME: Mapping[str, Limit] = {
    "eps": _EPS,
    "momentum": FRACTION,
    "dropout": SHARE,
    **dict.fromkeys(_COUNTS.split(), LENGTH),
    **dict.fromkeys(("pad", "output_pad"), Bound("a non-negative integer", 0, is_integer=True)),
}
_BY_BLOCK: Mapping[tuple[str, str], Limit] = {("Dropout", "p"): SHARE}


def limit_of(block: str, parameter: str) -> Limit | None:
    """What an argument of a standard block must be; None for one that can be anything."""
    return _BY_BLOCK.get((block, parameter), _BY_NAME.get(parameter))
