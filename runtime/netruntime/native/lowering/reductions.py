"""Softmax, its gradients, and reductions over some axes; see softmax.c."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.attention.softmax_gradient import LogSoftmaxGradient, SoftmaxGradient
from netdsl.ops.contract.base import Axes
from netdsl.ops.contract.rules import normal_axes
from netdsl.ops.reduce.reduce import Max, Mean, Min, Reduction, Sum
from netruntime.native.builder import Builder
from netruntime.native.lowering.gradients.sums import lower_sum
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step
from netruntime.native.views import AXES

KINDS: dict[type[Reduction], int] = {Sum: 0, Mean: 1, Max: 2, Min: 3}
"""As in softmax.c."""


def _accepts(step: Step) -> bool:
    x = step.type_in(0)
    return step.has_elements and x is not None and x.dtype == "f32" and 0 < len(x.shape) <= AXES


def _order(over: Sequence[int], rank: int) -> list[int]:
    """The axes in an order in which those of `over` follow each other: as they are, or with `over` last."""
    if list(over) == list(range(over[0], over[0] + len(over))):
        return list(range(rank))
    return [axis for axis in range(rank) if axis not in over] + list(over)


def _sizes(shape: Sequence[int], over: Sequence[int], order: Sequence[int]) -> tuple[int, int, int]:
    """How many elements lie outside of the axes `over`, along them and inside."""
    first = list(order).index(over[0])
    sizes = [shape[axis] for axis in order]
    last = first + len(over)
    return prod(sizes[:first]), prod(sizes[first:last]), prod(sizes[last:])


def _layout(over: Axes, shape: Sequence[int]) -> tuple[list[int], tuple[int, int, int]]:
    """The order of axes that a kernel reads, and its sizes."""
    axes = normal_axes(over, len(shape))
    order = _order(axes, len(shape))
    return order, _sizes(shape, axes, order)


def _keep(step: Step, build: Builder, order: Sequence[int]) -> Ref | None:
    """The mask for each element, in the same order."""
    port, x = step.optional(1), step.type_in(0)
    if port is None or x is None:
        return None
    mask = build.view(port).expanded(x.shape).must(lambda array: array.transpose(order))
    return build.gathered(mask).at


@lowers(Softmax, LogSoftmax, accepts=_accepts, dtypes=("f32", "bool"))
def softmax(step: Step, build: Builder) -> None:
    """Powers divided by their sum, or the logarithm of that."""
    op = step.op
    assert isinstance(op, Softmax | LogSoftmax)
    order, (outer, count, inner) = _layout(op.over, step.type_out.shape)
    x, keep = build.in_order(step.read(0), order), _keep(step, build, order)
    y = build.new_ordered((step.node, 0), order)
    build.emit("softmax", outer, [x, keep, y], [count, inner, int(isinstance(op, LogSoftmax))])


@lowers(SoftmaxGradient, LogSoftmaxGradient, accepts=_accepts)
def softmax_gradient(step: Step, build: Builder) -> None:
    """The gradients of both, from their results."""
    op = step.op
    assert isinstance(op, SoftmaxGradient | LogSoftmaxGradient)
    order, (outer, count, inner) = _layout(op.over, step.type_out.shape)
    refs = [build.in_order(step.read(slot), order) for slot in (0, 1)]
    refs.append(build.new_ordered((step.node, 0), order))
    kind = int(isinstance(op, LogSoftmaxGradient))
    build.emit("softmax_gradient", outer, refs, [count, inner, kind])


@lowers(*KINDS, accepts=_accepts, dtypes=("f32", "bool"))
def reduction(step: Step, build: Builder) -> None:
    """The sum, the mean or an extreme of the elements along some axes."""
    op, x = step.op, step.type_in(0)
    assert isinstance(op, Reduction) and x is not None
    if lower_sum(step, build):
        return
    over = normal_axes(op.over, len(x.shape))
    order = _order(over, len(x.shape))
    outer, count, inner = _sizes(x.shape, over, order)
    refs = [build.in_order(step.read(0), order), _keep(step, build, order), build.new_plain((step.node, 0))]
    build.emit("reduce", outer, refs, [count, inner, KINDS[type(op)]])
