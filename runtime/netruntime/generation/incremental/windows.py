"""Operators that look a few positions back: causal convolutions, and sequences that are moved on.

Padding in front makes `T` positions `T + k`: the chunk, with `k` positions before it. Those come from the
chunk before, or at the start of a sequence from the padding itself. From there a window that slides by one
position at a time gives the same for a chunk as for the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netdsl.ops.contract.base import Op
from netdsl.ops.conv.conv import Conv
from netdsl.ops.numerics.windows import Pair, Windows, windows
from netdsl.ops.pool.pool import Pool
from netdsl.ops.shape.join import Concat
from netdsl.ops.shape.pad import Pad
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType
from netruntime.generation.incremental.forms import Time

Types = Sequence[TensorType | None]


@dataclass(frozen=True)
class Front:
    """`count` positions that an operator puts in front of those of its input `slot`, along `axis`.

    At the start of a sequence they are the input `start`, or zeros where that is None. `rest` is what the
    operator does to the longer sequence, where that is not all.
    """

    axis: int
    count: int
    slot: int = 0
    start: int | None = None
    rest: Op | None = None


def front_of(op: Op, types: Types, time: Time) -> Front | None:
    """What an operator with these input types puts in front of an axis of time; None for nothing."""
    if isinstance(op, Pad) and op.mode == "constant" and op.value == 0:
        return _padded(op, types, time)
    if isinstance(op, Concat) and len(types) == 2:
        return _joined(op, types, time)
    return _convolved(op, types, time) if isinstance(op, Conv) else None


def slides(op: Op, types: Types, axis: int) -> bool:
    """Whether an operator only moves a window along that axis. A larger stride shows in the output's size."""
    x = types[0]
    assert x is not None
    if isinstance(op, Slice):
        begins = op.start is None or (op.start.is_fixed and op.start.value >= 0)
        return op.step == 1 and begins
    found = _windows(op, types)
    if found is None or found.ceil or isinstance(found.pad, str):
        return False
    return found.pad[axis - 2] == (0, 0)


def _windows(op: Op, types: Types) -> Windows | None:
    x = types[0]
    assert x is not None
    if isinstance(op, Pool):
        return op.windows(x.shape[2:])
    weight = types[1] if isinstance(op, Conv) else None
    if weight is None or not isinstance(op, Conv):
        return None
    return windows(weight.shape[2:], op.stride, op.pad, op.dilation)


def _padded(op: Pad, types: Types, time: Time) -> Front | None:
    x = types[0]
    assert x is not None
    ends = op.begins if op.ends is None else op.ends
    first = x.rank - len(ends)
    padded = {first + n: pair for n, pair in enumerate(zip(op.begins, ends, strict=True)) if pair != (0, 0)}
    return _only_front(padded, x, time)


def _only_front(padded: dict[int, Pair], x: TensorType, time: Time) -> Front | None:
    if len(padded) != 1:
        return None
    ((axis, (begin, end)),) = padded.items()
    return Front(axis, begin) if end == 0 and time.is_axis(x.shape[axis]) else None


def _joined(op: Concat, types: Types, time: Time) -> Front | None:
    before, x = types
    assert before is not None and x is not None
    axis = op.axis % x.rank
    if not (before.shape[axis].is_fixed and time.is_axis(x.shape[axis])):
        return None
    return Front(axis, before.shape[axis].value, slot=1, start=0)


def _convolved(op: Conv, types: Types, time: Time) -> Front | None:
    found = _windows(op, types)
    x = types[0]
    if x is None or found is None or isinstance(found.pad, str):
        return None
    over_time = {
        n + 2: pair for n, pair in enumerate(found.pad) if time.is_axis(x.shape[n + 2]) and any(pair)
    }
    front = _only_front(over_time, x, time)
    if front is None:
        return None
    begins = [0 if n + 2 == front.axis else pair[0] for n, pair in enumerate(found.pad)]
    return replace(front, rest=replace(op, pad=(*begins, *(pair[1] for pair in found.pad))))
