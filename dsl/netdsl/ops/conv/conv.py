"""Convolution over any number of spatial axes, as one matrix product per block of windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod

from netdsl.dims import Dim, DimLike, product, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Ints,
    LeftContext,
    Module,
    Op,
    OpError,
    bad,
    example,
    op_named,
    operator,
)
from netdsl.ops.contract.rules import need_float, need_rank, need_type, only_left, same_dtype, share
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, TimeAxis, reduced_axes
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.columns import columns, matrices, window_blocks
from netdsl.ops.numerics.windows import LAYOUT, Windows, windows
from netdsl.types import TensorType, tensor


def check_operands(x: TensorType, weight: TensorType, groups: int) -> None:
    """Raise `OpError` if the types of `x` and `weight`, or `groups`, cannot be convolved."""
    need_float(x)
    same_dtype(x, weight, ("x", "weight"))
    need_rank(x, 3, layout=LAYOUT)
    if weight.rank != x.rank:
        raise OpError(
            f"needs a weight of {x.rank} axes for {x.rank - 2} spatial axes: `x` is {x}, `weight` {weight}",
            at=["x", "weight"],
        )
    if groups < 1:
        raise OpError(f"needs at least 1 group, but got {groups}", attribute="groups")


def check_groups(channels: Dim, groups: int, axis: tuple[str, int]) -> None:
    if share(channels, groups) is None:
        raise OpError(
            f"cannot divide {channels} channels into {groups} equal groups", at=[axis], attribute="groups"
        )


def check_bias(bias: TensorType | None, x: TensorType, channels: DimLike, axis: int) -> None:
    """Raise `OpError` if `bias` is not `[channels]`, which axis `axis` of the weight sets."""
    if bias is None:
        return
    same_dtype(x, bias, ("x", "bias"))
    if bias.shape != (channels,):
        raise OpError(f"has {channels} output channels, but `bias` is {bias}", at=[("weight", axis), "bias"])


def add_bias(y: Array, bias: Array | None) -> Array:
    """Add `[C]` to `[B, C, *space]` in place."""
    if bias is not None:
        y += bias.reshape(-1, *[1] * (y.ndim - 2))
    return y


@operator("conv", "x", "weight", "bias?")
@immutable
class Conv(Op):
    """Convolution: each output is the sum of products of a window of `x` with the weight, plus a bias.

    `y[b, o, i] = bias[o] + sum over c, k of x[b, c, i * stride + k * dilation - pad] * weight[o, c, k]`,
    where `i` and `k` have one component per spatial axis, and `c` runs over the group of `o`.

    Args:
        stride: Elements from one window to the next; one value, or one per spatial axis.
        pad: Zeros around `x`: one value, one per spatial axis, or all before and then all
            after `x`. `"same"` makes `ceil(size / stride)` outputs, with an odd zero after `x`;
            `"same_lower"` puts it before `x`. `"valid"` is 0.
        dilation: Elements from one weight to the next inside a window.
        groups: The number of groups that channels are divided into; each has its own outputs.
            With as many groups as channels, the convolution is depthwise.

    Inputs: `x` `[B, C, *space]`; `weight` `[O, C / groups, *window]`; `bias` `[O]`; floats of one
    element type. The result is `[B, O, *space]`.

    Source: LeCun et al. 1989; ONNX `Conv`.
    """

    category = "product"

    stride: Ints = (1,)
    pad: Ints | str = (0,)
    dilation: Ints = (1,)
    groups: int = 1

    def shape(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
        check_operands(x, weight, self.groups)
        if x.shape[1] != weight.shape[1] * self.groups:
            among = f" in each of {self.groups} groups" if self.groups > 1 else ""
            raise OpError(
                f"got {x.shape[1]} channels, but its weight {weight} takes {weight.shape[1]}{among}",
                at=[("x", 1), ("weight", 1)],
                help="the second axis of the weight is the channels of `x` divided by `groups`",
            )
        check_groups(weight.shape[0], self.groups, ("weight", 0))
        check_bias(bias, x, weight.shape[0], 0)
        counts = self._windows(weight.shape[2:]).counts(x.shape[2:])
        return x.with_shape((x.shape[0], weight.shape[0], *counts))

    def _windows(self, size: Sequence[DimLike]) -> Windows:
        return windows(size, self.stride, self.pad, self.dilation)

    def forward(self, xp: Module, x: Array, weight: Array, bias: Array | None = None) -> Array:
        placement = self._windows(weight.shape[2:])
        if prod(weight.shape[2:]) == 1 and not any(map(any, placement.padding(x.shape[2:]))):
            return add_bias(self._pointwise(xp, x, weight, placement), bias)
        return add_bias(self._windowed(xp, x, weight, placement), bias)

    def _pointwise(self, xp: Module, x: Array, weight: Array, placement: Windows) -> Array:
        """The product with `x` itself, since windows of one element need no copy."""
        x = x[(slice(None), slice(None), *(slice(None, None, step) for step in placement.stride))]
        batch, channels, *space = x.shape
        columns = x.reshape(batch, self.groups, channels // self.groups, prod(space))
        y = numerics.matmul(xp, matrices(weight, self.groups), columns)
        return y.reshape(batch, weight.shape[0], *space)

    def _windowed(self, xp: Module, x: Array, weight: Array, placement: Windows) -> Array:
        counts = placement.fixed_counts(x.shape[2:])
        y = xp.empty((x.shape[0], weight.shape[0], *counts), dtype=x.dtype)
        if y.size == 0:
            return y
        patches = placement.view(xp, placement.padded(xp, x, 0), counts)
        column = x.shape[1] * prod(weight.shape[2:]) * x.dtype.itemsize
        for images, rows in window_blocks(xp, len(x), counts, column):
            part = patches[images, :, rows]
            products = numerics.matmul(xp, matrices(weight, self.groups), columns(part, self.groups))
            sizes = (weight.shape[0], part.shape[0], *part.shape[2 : 2 + len(counts)])
            y[images, :, rows] = products.reshape(sizes).swapaxes(0, 1)
        return y

    def gradient(
        self, dy: Value, y: Value, x: Value, weight: Value, bias: Value | None
    ) -> tuple[Value, Value, Value | None]:
        where = (self.stride, self.pad, self.dilation, self.groups)
        dx = dy.apply(op_named("conv_input_gradient", x.shape, *where), weight)
        dweight = dy.apply(op_named("conv_weight_gradient", weight.shape, *where), x)
        return dx, dweight, None if bias is None else dy.sum((0, *range(2, dy.rank)))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        space = range(2, y.rank)
        return AxisMap(((0, None, *space), *reduced_axes(xs[1:])), frozenset(space))

    def left_context(self, xs: InputTypes, time: TimeAxis) -> LeftContext | None:
        """The padding of a causal convolution: the earlier positions that its windows cover."""
        x, placement = need_type(xs[0]), self._windows_of(xs)
        if isinstance(placement.pad, str):
            return None
        over_time = {
            n + 2: pair for n, pair in enumerate(placement.pad) if time.is_axis(x.shape[n + 2]) and any(pair)
        }
        context = only_left(over_time, x, time)
        if context is None:
            return None
        begins = [0 if n + 2 == context.axis else pair[0] for n, pair in enumerate(placement.pad)]
        return replace(context, rest=replace(self, pad=(*begins, *(pair[1] for pair in placement.pad))))

    def slides_along(self, xs: InputTypes, axis: int) -> bool:
        return self._windows_of(xs).slides_along(axis)

    def _windows_of(self, xs: InputTypes) -> Windows:
        return windows(need_type(xs[1]).shape[2:], self.stride, self.pad, self.dilation)

    def cost(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> Dim:
        return self.shape(x, weight, bias).size * product(weight.shape[1:])

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x, weight = draw(2, 3, 7, 6), draw(4, 3, 3, 2)
        yield example(cls(), x, weight, draw(4))
        yield example(cls(pad=(1,)), x, weight)
        yield example(cls((2, 1), (1, 0), (1, 2)), x, weight, draw(4))
        yield example(cls((3,), (0, 1, 2, 1)), x, weight)
        yield example(cls((2,), "same"), x, weight, draw(4))
        yield example(cls((2,), "same_lower"), x, weight)
        yield example(cls((3,), "same"), x, draw(4, 3, 2, 2))
        yield example(cls((2, 1), "same", (1, 2)), x, weight)
        yield example(cls(pad="valid", dilation=(2,)), x, weight)
        yield example(cls(pad=(1,), groups=2), draw(2, 4, 5, 5), draw(6, 2, 3, 3), draw(6))
        yield example(cls((2,), (1,), groups=3), x, draw(3, 1, 3, 3), draw(3))
        yield example(cls(groups=3), x, draw(6, 1, 2, 2))
        yield example(cls(), x, draw(5, 3, 1, 1), draw(5))
        yield example(cls((2,)), x, draw(5, 3, 1, 1))
        yield example(cls((2,), "same"), x, draw(5, 3, 1, 1))
        yield example(cls(pad=(1,)), x, draw(5, 3, 1, 1))
        yield example(cls(groups=2), draw(3, 4, 5), draw(2, 2, 1))
        yield example(cls((2,), (3, 0), (2,)), draw(2, 3, 9), draw(4, 3, 4), draw(4))
        yield example(cls((1, 2, 1), (1, 0, 1)), draw(2, 2, 4, 5, 3), draw(3, 2, 2, 3, 2), draw(3))
        yield example(cls(), draw(0, 3, 5, 5), draw(4, 3, 3, 3), draw(4))
        yield example(cls(), draw(0, 3, 5, 5), draw(4, 3, 1, 1))
        yield example(cls(), draw(2, 0, 5, 5), draw(4, 0, 3, 3), draw(4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, weight = tensor("f32", 2, 4, 7, 7), tensor("f32", 6, 4, 3, 3)
        yield bad("floating-point", cls(), tensor("i32", 2, 4, 7, 7), weight)
        yield bad("f32 and f16", cls(), x, tensor("f16", 6, 4, 3, 3))
        yield bad("f32 and f64", cls(), x, weight, tensor("f64", 6))
        yield bad("at least 1 spatial axis, but `x` is f32[2, 4]", cls(), tensor("f32", 2, 4), weight)
        yield bad("weight of 4 axes for 2 spatial axes", cls(), x, tensor("f32", 6, 4, 3))
        yield bad(
            "got 4 channels, but its weight f32[6, 3, 3, 3] takes 3", cls(), x, tensor("f32", 6, 3, 3, 3)
        )
        yield bad("takes 4 in each of 2 groups", cls(groups=2), x, weight)
        yield bad("at least 1 group, but got 0", cls(groups=0), x, weight)
        yield bad("5 channels into 2 equal groups", cls(groups=2), x, tensor("f32", 5, 2, 3, 3))
        yield bad("has 6 output channels, but `bias` is f32[4]", cls(), x, weight, tensor("f32", 4))
        yield bad("has 6 output channels, but `bias` is f32[1, 6]", cls(), x, weight, tensor("f32", 1, 6))
        yield bad("spans 9 elements, but axis 2 of `x` has 7", cls(dilation=(4,)), x, weight)
        yield bad(
            "spans 13 elements, but axis 3 of `x` has 7 (9 with padding)",
            cls(pad=(1,), dilation=(1, 6)),
            x,
            weight,
        )
        yield bad("at least 1 element", cls(), x, tensor("f32", 6, 4, 0, 3))
        yield bad("use 1 value, 2 (one per axis), or 4", cls(pad=(1, 1, 1)), x, weight)
        yield bad("`pad` of at least 0, but got -1", cls(pad=(1, -1)), x, weight)
        yield bad("`pad` of at least 0, but got -1", cls(pad=(1, 1, 1, -1)), x, weight)
        yield bad('pad mode "full"', cls(pad="full"), x, weight)
        yield bad("3 values for `stride`", cls(stride=(1, 1, 1)), x, weight)
        yield bad("`stride` of at least 1, but got 0", cls(stride=(0,)), x, weight)
        yield bad("`dilation` of at least 1, but got 0", cls(dilation=(0,)), x, weight)
        yield bad("got C channels", cls(), tensor("f32", 2, symbol("C"), 7, 7), weight)
