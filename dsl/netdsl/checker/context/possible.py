"""Whether an operator that refuses free sizes would take some values of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import islice, product

from netdsl.dims import Dim, FreeSizeError, SizeOverflowError
from netdsl.ops.contract.base import Op, OpError
from netdsl.types import TensorType
from netdsl.work import spend

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 64, 240)
"""Sizes that are tried, beside those that occur."""
MAX_TRIES = 600


def could_take(op: Op, types: Sequence[TensorType | None]) -> bool:
    """Whether some of the values tried for the free sizes are accepted."""
    return any(_takes(op, types, sizes) for sizes in islice(_assignments(op, types), MAX_TRIES))


def _takes(op: Op, types: Sequence[TensorType | None], sizes: dict[str, int]) -> bool:
    spend(20)
    try:
        op.bind(sizes).shape(*(None if t is None else t.substitute(sizes) for t in types))
    except FreeSizeError:
        return True
    except (OpError, SizeOverflowError, ZeroDivisionError):
        return False
    return True


def _symbols_of(op: Op) -> set[str]:
    """The free sizes among the attributes of an operator."""
    values = [getattr(op, field.name) for field in fields(op)]
    sizes = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return {name for size in sizes if isinstance(size, Dim) for name in size.symbols}


def _assignments(op: Op, types: Sequence[TensorType | None]) -> Iterator[dict[str, int]]:
    """Values for the free sizes: all alike, then in all combinations."""
    shapes = [size for t in types if t is not None for size in t.shape]
    names = sorted({name for size in shapes for name in size.symbols} | _symbols_of(op))
    fixed = {size.value for size in shapes if size.is_fixed and 0 < size.value < 2**31}
    values = [*sorted(fixed), *(n for n in SIZES if n not in fixed)]
    if not names:
        return
    yield from (dict.fromkeys(names, value) for value in values)
    yield from (dict(zip(names, chosen, strict=True)) for chosen in product(values, repeat=len(names)))
