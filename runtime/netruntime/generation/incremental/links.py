"""Which axes of an operator's inputs run along which axes of its output.

Along most axes an operator treats each position by itself. Those axes are linked, so that what is asked of
the output's axis is asked of the input's. An input axis without a link is folded: every output element looks
at all of it. An output axis is mixed where its positions look at one another, as under a softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from netdsl.dims import Dim, product
from netdsl.model import Input, Output
from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.positions import Alibi, Rotary
from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.rules import normal_axes
from netdsl.ops.conv.conv import Conv
from netdsl.ops.create.create import CausalMask, Constant, Range
from netdsl.ops.create.fill import Ones, Zeros
from netdsl.ops.elementwise.activations import PRelu
from netdsl.ops.elementwise.comparison import Where
from netdsl.ops.elementwise.elementary import Cast, Clip
from netdsl.ops.elementwise.kinds import Activation, Binary, Unary
from netdsl.ops.index.gather import Gather, GatherElements, OneHot
from netdsl.ops.index.top_k import TopK
from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.linear.linear import Linear, MatMul
from netdsl.ops.norm.group_norm import GroupNorm, InstanceNorm
from netdsl.ops.norm.local_response_norm import LocalResponseNorm
from netdsl.ops.norm.norm import BatchNorm, LayerNorm
from netdsl.ops.norm.rms_norm import L2Normalize, RMSNorm
from netdsl.ops.pool.pool import Pool
from netdsl.ops.reduce.reduce import Reduction
from netdsl.ops.reduce.reduce_axis import ArgMax, ArgMin, CumSum
from netdsl.ops.shape.join import Concat, Split, Stack
from netdsl.ops.shape.pad import Pad
from netdsl.ops.shape.rearrange import Expand, Rearrange, Tile, Transpose
from netdsl.ops.shape.reshape import Flatten, Reshape, Squeeze, Unsqueeze
from netdsl.ops.shape.slice import Flip, Roll, Slice
from netdsl.types import TensorType
from netruntime.generation.incremental.forms import UnsupportedError

Map = tuple[int | None, ...]
"""For each axis of an input the axis of the output it runs along, or None where it is folded."""
Types = Sequence[TensorType | None]


@dataclass(frozen=True)
class Links:
    """The links of each input (empty for one that is left out), and the output's mixed axes."""

    inputs: tuple[Map, ...]
    mixed: frozenset[int] = frozenset()


@singledispatch
def links(op: Op, xs: Types, y: TensorType) -> Links:
    """The links of an operator with these input types and (first) output type.

    Raises `UnsupportedError` for an operator of which nothing is known here.
    """
    raise UnsupportedError(f"there is no rule for `{op.name}` over time")


def _rule(*classes: type[Op]) -> Callable[[Callable[[Any, Types, TensorType], Links]], Any]:
    """Register a rule for several classes of operators."""

    def register(rule: Callable[[Any, Types, TensorType], Links]) -> Any:
        for class_ in classes:
            links.register(class_)(rule)
        return rule

    return register


def _right_aligned(x: TensorType | None, rank: int) -> Map:
    """The links of an input that broadcasts to a result of that rank."""
    return () if x is None else tuple(axis + rank - x.rank for axis in range(x.rank))


def _first(xs: Types) -> TensorType:
    assert xs[0] is not None
    return xs[0]


def _beside(xs: Types) -> tuple[Map, ...]:
    """The links of inputs after the first that hold weights: nothing in them is time."""
    return tuple(() if x is None else (None,) * x.rank for x in xs[1:])


def _same(rank: int) -> Map:
    return tuple(range(rank))


@_rule(Unary, Binary, Activation, Where, Clip, Cast, Expand, Output)
def _elementwise(op: Op, xs: Types, y: TensorType) -> Links:
    return Links(tuple(_right_aligned(x, y.rank) for x in xs))


@_rule(PRelu, BatchNorm)
def _by_channel(op: Op, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank), *_beside(xs)))


@_rule(Input, Constant, Zeros, Ones, Range, CausalMask)
def _created(op: Op, xs: Types, y: TensorType) -> Links:
    return Links(())


@_rule(Softmax, LogSoftmax)
def _softmax(op: Softmax | LogSoftmax, xs: Types, y: TensorType) -> Links:
    return Links(tuple(_right_aligned(x, y.rank) for x in xs), frozenset(normal_axes(op.over, y.rank)))


@_rule(LayerNorm, RMSNorm, L2Normalize)
def _normalised(op: LayerNorm | RMSNorm | L2Normalize, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank), *_beside(xs)), frozenset(normal_axes(op.over, y.rank)))


@_rule(GroupNorm, InstanceNorm, LocalResponseNorm)
def _normalised_groups(op: Op, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank), *_beside(xs)), frozenset(range(1, y.rank)))


@_rule(Reduction, ArgMax, ArgMin)
def _reduction(op: Any, xs: Types, y: TensorType) -> Links:
    x = _first(xs)
    folded = normal_axes(op.over if isinstance(op.over, tuple) else (op.over,), x.rank)
    kept = [axis for axis in range(x.rank) if axis not in folded]
    if op.keepdims:
        here: Map = tuple(None if axis in folded else axis for axis in range(x.rank))
    else:
        here = tuple(kept.index(axis) if axis in kept else None for axis in range(x.rank))
    masks = [tuple(here[axis + x.rank - m.rank] for axis in range(m.rank)) if m else () for m in xs[1:]]
    return Links((here, *masks))


@_rule(Conv, Pool)
def _windowed(op: Op, xs: Types, y: TensorType) -> Links:
    space = range(2, y.rank)
    return Links(((0, 1 if isinstance(op, Pool) else None, *space), *_beside(xs)), frozenset(space))


@_rule(Linear)
def _linear(op: Linear, xs: Types, y: TensorType) -> Links:
    return Links(((*range(y.rank - 1), None), *_beside(xs)))


@_rule(MatMul)
def _matmul(op: MatMul, xs: Types, y: TensorType) -> Links:
    a, b = xs
    assert a is not None and b is not None
    rows, columns = a.rank > 1, b.rank > 1
    stacks = y.rank - rows - columns
    left = [axis + stacks - (a.rank - 2) for axis in range(max(a.rank - 2, 0))]
    right = [axis + stacks - (b.rank - 2) for axis in range(max(b.rank - 2, 0))]
    return Links(((*left, *[stacks] * rows, None), (*right, None, *[y.rank - 1] * columns)))


@_rule(Einsum)
def _einsum(op: Einsum, xs: Types, y: TensorType) -> Links:
    left, _, result = op.equation.replace(" ", "").partition("->")
    return Links(
        tuple(
            tuple(result.index(letter) if letter in result else None for letter in term)
            for term in left.split(",")
        )
    )


@_rule(Attention)
def _attention(op: Attention, xs: Types, y: TensorType) -> Links:
    scores: Map = (0, 1, 2, None)
    spread = [scores[4 - x.rank :] if x else () for x in xs[3:]]
    return Links(((0, 1, 2, None), (0, 1, None, None), (0, 1, None, 3), *spread))


@_rule(Rotary)
def _rotary(op: Rotary, xs: Types, y: TensorType) -> Links:
    positions: Map = () if len(xs) < 2 or xs[1] is None else (2,) if xs[1].rank == 1 else (0, 2)
    return Links((_same(4), positions), frozenset({3}))


@_rule(Alibi)
def _alibi(op: Alibi, xs: Types, y: TensorType) -> Links:
    return Links((_same(4),))


@_rule(Transpose)
def _transpose(op: Transpose, xs: Types, y: TensorType) -> Links:
    order = [axis % y.rank for axis in op.order]
    return Links((tuple(order.index(axis) for axis in range(y.rank)),))


@_rule(Reshape, Flatten, Squeeze, Unsqueeze)
def _reshape(op: Op, xs: Types, y: TensorType) -> Links:
    return Links((_kept_axes(_first(xs).shape, y.shape),))


@_rule(Rearrange)
def _rearrange(op: Rearrange, xs: Types, y: TensorType) -> Links:
    order = [axis % len(op.split) for axis in op.order]
    merge = op.merge or (1,) * len(order)
    owner = [axis for axis, count in enumerate(merge) for _ in range(count)]
    found: list[int | None] = []
    for part in _kept_axes(_first(xs).shape, op.split):
        axis = None if part is None else owner[order.index(part)]
        found.append(
            axis if axis is not None and part is not None and y.shape[axis] == op.split[part] else None
        )
    return Links((tuple(found),))


def _kept_axes(before: Sequence[Dim], after: Sequence[Dim]) -> Map:
    """For each axis the one that it is after a reshape: of the same size, with as many elements before it."""
    places = {(product(after[:axis]), size): axis for axis, size in enumerate(after)}
    return tuple(places.get((product(before[:axis]), size)) for axis, size in enumerate(before))


@_rule(Gather)
def _gather(op: Gather, xs: Types, y: TensorType) -> Links:
    x, indices = xs
    assert x is not None and indices is not None
    axis = op.axis % x.rank
    after = [n + indices.rank - 1 for n in range(axis + 1, x.rank)]
    return Links(((*range(axis), None, *after), tuple(axis + n for n in range(indices.rank))))


@_rule(GatherElements)
def _gather_elements(op: GatherElements, xs: Types, y: TensorType) -> Links:
    x = _first(xs)
    axis = op.axis % x.rank
    here = tuple(n if n != axis and x.shape[n] == y.shape[n] else None for n in range(x.rank))
    return Links((here, _same(y.rank)))


@_rule(OneHot)
def _one_hot(op: OneHot, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank - 1),))


@_rule(Concat, Split, Slice, Roll, CumSum, TopK)
def _along_one_axis(op: Any, xs: Types, y: TensorType) -> Links:
    return Links(tuple(_same(y.rank) for _ in xs), frozenset({op.axis % y.rank}))


@_rule(Stack)
def _stack(op: Stack, xs: Types, y: TensorType) -> Links:
    axis = op.axis % y.rank
    return Links(tuple(tuple(n + (n >= axis) for n in range(y.rank - 1)) for _ in xs))


@_rule(Flip)
def _flip(op: Flip, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank),), frozenset(normal_axes(op.over, y.rank)))


@_rule(Pad)
def _pad(op: Pad, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank),), frozenset(range(y.rank - len(op.begins), y.rank)))


@_rule(Tile)
def _tile(op: Tile, xs: Types, y: TensorType) -> Links:
    return Links((_same(y.rank),), frozenset(n for n, count in enumerate(op.repeats) if count != 1))
