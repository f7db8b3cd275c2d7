"""Operators whose attributes hold the number of positions, for a chunk of new ones among all.

A mask between queries and keys gets the rows of the new positions, a range begins where the past ends, and
sizes that are written out become those of the chunk, or of all positions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from netdsl.ops.contract.base import Op
from netdsl.ops.create.create import CausalMask, Constant, Range
from netdsl.ops.create.fill import Ones, Zeros
from netdsl.ops.shape.rearrange import Expand, Rearrange
from netdsl.ops.shape.reshape import Reshape
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType
from netruntime.generation.incremental.forms import Form, Part, Time, UnsupportedError
from netruntime.generation.incremental.links import Map


@singledispatch
def placed(op: Op, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    """The operator that gives its output in `form`.

    Args:
        y: The type of the output over the whole sequence.
        first: The links of the first input.

    Raises:
        UnsupportedError: where its attributes depend on time in a way that has no rule.
    """
    if time.in_attributes(op):
        raise UnsupportedError(f"`{op.name}` depends on the number of positions")
    return op


@placed.register
def _range(op: Range, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    if time.name in op.start.symbols:
        raise UnsupportedError("a range that starts at the last position changes with each new one")
    begin = op.start + time.past * op.step if form[0] is Part.NEW else op.start
    end = begin + time.size(form[0], y.shape[0]) * op.step
    return Range(end, begin, op.step, op.dtype)


@placed.register
def _causal_mask(op: CausalMask, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    if not (time.is_axis(op.rows) and time.is_axis(op.columns)) or form[1] is not Part.ALL:
        raise UnsupportedError("a causal mask needs the positions as its rows and as its columns")
    return CausalMask(*time.with_parts(y.shape, form))


@placed.register(Zeros)
@placed.register(Ones)
@placed.register(Constant)
def _filled(op: Constant | Zeros | Ones, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    if isinstance(op, Constant) and time.in_attributes(replace(op, sizes=())):
        raise UnsupportedError("a constant that is the number of positions changes with each new one")
    return replace(op, sizes=time.with_parts(y.shape, form))


@placed.register(Reshape)
@placed.register(Expand)
def _sized(op: Reshape | Expand, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    return replace(op, sizes=time.with_parts(y.shape, form))


@placed.register
def _slice(op: Slice, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    if time.in_attributes(op) and form[op.axis] is not Part.NEW:
        raise UnsupportedError("where it cuts depends on the number of positions")
    return op  # of a chunk, the number of positions is that of the new ones


@placed.register
def _rearrange(op: Rearrange, time: Time, y: TensorType, form: Form, first: Map) -> Op:
    order = [axis % len(op.split) for axis in op.order]
    merge = op.merge or (1,) * len(order)
    owner = [axis for axis, count in enumerate(merge) for _ in range(count)]
    parts = [form[owner[order.index(n)]] if time.is_window(size) else None for n, size in enumerate(op.split)]
    return replace(op, split=time.with_parts(op.split, tuple(parts)))
