"""Transposed convolution: the gradient of a convolution, used to enlarge feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product as combinations
from math import prod

from netdsl.dims import Dim, DimLike, dim, product
from netdsl.immutable import immutable
from netdsl.ops.contract.assuming import AT_LEAST, assume
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    DataError,
    Example,
    Ints,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import spread
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, reduced_axes
from netdsl.ops.contract.value import Value
from netdsl.ops.conv.conv import Conv, add_bias, check_bias, check_groups, check_operands
from netdsl.ops.conv.conv_gradient import ConvWeightGradient
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.columns import COPY_LIMIT
from netdsl.ops.numerics.windows import Windows, windows
from netdsl.ops.shape.slice import Slice
from netdsl.types import TensorType, tensor


@operator("conv_transpose", "x", "weight", "bias?")
@immutable
class ConvTranspose(Op):
    """Transposed convolution: each element of `x` adds its product with the weight to a window of the result.

    `y[b, o, i * stride + k * dilation - pad] += x[b, c, i] * weight[c, o, k]`, starting from the
    bias, where `i` and `k` have one component per spatial axis and `c` is in the group of `o`.
    The size is `(size - 1) * stride + (window - 1) * dilation + 1 + output_pad - pads`.

    Args:
        stride: Elements from one window to the next; one value, or one per spatial axis.
        pad: Elements removed from the ends of the result: one value, one per spatial axis, or all at
            the front and then all at the end.
        output_pad: Elements added at the end of the result, fewer than the stride or the dilation. It
            selects one of the sizes that a convolution with this stride reduces to that of `x`.
        dilation: Elements from one weight to the next inside a window.
        groups: The number of groups that channels are divided into; each has its own outputs.

    Inputs: `x` `[B, C, *space]`; `weight` `[C, O / groups, *window]`; `bias` `[O]`; floats of one
    element type. The result is `[B, O, *space]`.

    Source: Zeiler et al. 2010; ONNX `ConvTranspose`.
    """

    category = "product"

    stride: Ints = (1,)
    pad: Ints = (0,)
    output_pad: Ints = (0,)
    dilation: Ints = (1,)
    groups: int = 1

    def shape(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
        check_operands(x, weight, self.groups)
        if x.shape[1] != weight.shape[0]:
            raise OpError(
                f"got {x.shape[1]} channels, but its weight {weight} takes {weight.shape[0]}",
                at=[("x", 1), ("weight", 0)],
                help="the first axis of the weight is the channels of `x`",
            )
        check_groups(weight.shape[0], self.groups, ("weight", 0))
        channels = weight.shape[1] * self.groups
        check_bias(bias, x, channels, 1)
        placement = self._windows(weight.shape[2:])
        return x.with_shape((x.shape[0], channels, *self._space(placement, x.shape[2:])))

    def _windows(self, size: Sequence[DimLike]) -> Windows:
        return windows(size, self.stride, self.pad, self.dilation)

    def _space(self, placement: Windows, space: Sequence[DimLike]) -> list[Dim]:
        """The spatial sizes of the result. Raises `OpError` if nothing is there, or left, of an axis."""
        cut = []
        for axis, length in enumerate(map(dim, space), start=2):
            if length == 0:  # no convolution has such a result, so that there would be no gradient
                raise OpError(f"needs elements to enlarge, but axis {axis} of `x` has 0", at=[("x", axis)])
            assume(AT_LEAST, length, 1)
        for axis, (length, pair) in enumerate(
            zip(self._reached(placement, space), placement.padding(()), strict=True)
        ):
            cut.append(length - sum(pair))
            if cut[-1].compare(1) == -1:
                raise OpError(
                    f"leaves nothing of axis {axis + 2}: the windows of {space[axis]} elements span "
                    f"{length}, and `pad` cuts off {' and '.join(map(str, pair))}",
                    at=[("x", axis + 2)],
                    attribute="pad",
                )
        return cut

    def _reached(self, placement: Windows, space: Sequence[DimLike]) -> list[Dim]:
        """The spatial sizes before `pad` is cut off."""
        return [
            (dim(length) - 1) * placement.stride[axis] + placement.reach(axis) + extra
            for axis, (length, extra) in enumerate(zip(space, self._output_pad(placement), strict=True))
        ]

    def _output_pad(self, placement: Windows) -> Ints:
        extras = spread(self.output_pad, len(placement.size), "output_pad", least=0)
        for extra, step, gap in zip(extras, placement.stride, placement.dilation, strict=True):
            if extra >= max(step, gap):
                raise OpError(
                    f"needs `output_pad` below the stride or the dilation, but got {extra} with "
                    f"stride {step} and dilation {gap}",
                    attribute="output_pad",
                )
        return extras

    def forward(self, xp: Module, x: Array, weight: Array, bias: Array | None = None) -> Array:
        placement = self._windows(weight.shape[2:])
        try:
            space = [int(n) for n in self._space(placement, x.shape[2:])]
        except OpError as error:
            raise DataError(error.message) from None
        y = xp.empty((x.shape[0], weight.shape[1] * self.groups, *space), dtype=x.dtype)
        image = prod(y.shape[1:2] + weight.shape[2:] + x.shape[2:]) * x.dtype.itemsize
        step = max(COPY_LIMIT // max(image, 1), 1)
        for first in range(0, len(x), step):
            part = slice(first, first + step)
            y[part] = self._scattered(
                xp, numerics.widen(xp, x[part]), numerics.widen(xp, weight), placement, space
            )
        return add_bias(y, bias)

    def _scattered(
        self, xp: Module, x: Array, weight: Array, placement: Windows, space: Sequence[int]
    ) -> Array:
        """Compute all products at once, then add them, one position of the window after another."""
        batch, channels, *counts = x.shape
        inner, outer = channels // self.groups, weight.shape[1] * self.groups
        rows = x.reshape(batch, self.groups, inner, prod(counts))
        matrices = weight.reshape(self.groups, inner, prod(weight.shape[1:])).swapaxes(1, 2)
        products = numerics.matmul(xp, matrices, rows).reshape(batch, outer, *weight.shape[2:], *counts)
        reached = [int(n) for n in self._reached(placement, counts)]
        full = xp.zeros((batch, outer, *reached), dtype=x.dtype)
        view = placement.view(xp, full, counts)
        for place in combinations(*map(range, weight.shape[2:])):
            target = view[(..., *place)]
            target += products[(slice(None), slice(None), *place)]
        begins = [begin for begin, _ in placement.padding(counts)]
        return full[(..., *(slice(b, b + n) for b, n in zip(begins, space, strict=True)))]

    def gradient(
        self, dy: Value, y: Value, x: Value, weight: Value, bias: Value | None
    ) -> tuple[Value, Value, Value | None]:
        placement = self._windows(weight.shape[2:])
        flow, begins, ends = dy, [], []
        for axis, (extra, (begin, end)) in enumerate(
            zip(self._output_pad(placement), placement.padding(()), strict=True), start=2
        ):
            begins.append(begin)
            ends.append(max(end - extra, 0))
            if extra > end:  # no window reaches the rest of `output_pad`
                flow = flow.apply(Slice(axis, stop=dim(end - extra)))
        where = (self.stride, (*begins, *ends), self.dilation, self.groups)
        dx = flow.apply(Conv(*where), weight).reshape(x.shape)
        dweight = x.apply(ConvWeightGradient(weight.shape, *where), flow)
        return dx, dweight, None if bias is None else dy.sum((0, *range(2, dy.rank)))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        space = range(2, y.rank)
        return AxisMap(((0, None, *[None] * len(space)), *reduced_axes(xs[1:])), frozenset(space))

    def cost(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> Dim:
        return x.size * product(weight.shape[1:])

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x, weight = draw(2, 4, 4, 3), draw(4, 3, 3, 2)
        yield example(cls(), x, weight, draw(3))
        yield example(cls((2,)), x, weight)
        yield example(cls((2, 3), (1, 0), (1, 2)), x, weight, draw(3))
        yield example(cls((2,), (0, 1, 2, 0)), x, weight)
        yield example(cls(dilation=(2, 3), output_pad=(1, 2)), x, weight)
        yield example(cls(pad=(1,), output_pad=(1,), dilation=(2,)), x, weight)
        yield example(cls((2,), (1,), (1,), groups=2), x, draw(4, 3, 3, 3), draw(6))
        yield example(cls((2,), groups=4), x, draw(4, 1, 2, 2), draw(4))
        yield example(cls((3,)), x, draw(4, 2, 1, 1))
        yield example(cls((2,), (1, 0), (1,)), draw(2, 3, 5), draw(3, 4, 4), draw(4))
        yield example(cls((2, 1, 2), (0, 1, 0)), draw(1, 2, 3, 4, 2), draw(2, 3, 2, 3, 2), draw(3))
        yield example(cls((2,)), draw(0, 4, 4, 3), weight, draw(3))
        yield example(cls((2,)), draw(2, 0, 4, 3), draw(0, 3, 3, 2), draw(3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, weight = tensor("f32", 2, 4, 5, 5), tensor("f32", 4, 3, 2, 2)
        yield bad("floating-point", cls(), tensor("i32", 2, 4, 5, 5), weight)
        yield bad("f32 and f16", cls(), x, tensor("f16", 4, 3, 2, 2))
        yield bad("f32 and f64", cls(), x, weight, tensor("f64", 3))
        yield bad("at least 1 spatial axis", cls(), tensor("f32", 2, 4), weight)
        yield bad("weight of 4 axes for 2 spatial axes", cls(), x, tensor("f32", 4, 3, 2))
        yield bad(
            "got 4 channels, but its weight f32[5, 3, 2, 2] takes 5", cls(), x, tensor("f32", 5, 3, 2, 2)
        )
        yield bad("at least 1 group, but got 0", cls(groups=0), x, weight)
        yield bad("4 channels into 3 equal groups", cls(groups=3), x, weight)
        yield bad("has 6 output channels, but `bias` is f32[3]", cls(groups=2), x, weight, tensor("f32", 3))
        yield bad("of 5 elements span 6, and `pad` cuts off 3 and 3", cls(pad=(3,)), x, weight)
        yield bad("axis 2 of `x` has 0", cls(pad=(1,)), tensor("f32", 2, 4, 0, 5), weight)
        yield bad("axis 3 of `x` has 0", cls((2,)), tensor("f32", 2, 4, 5, 0), weight)
        yield bad("got 2 with stride 2 and dilation 1", cls((2,), output_pad=(0, 2)), x, weight)
        yield bad("`output_pad` of at least 0, but got -1", cls(output_pad=(-1,)), x, weight)
        yield bad("at least 1 element", cls(), x, tensor("f32", 4, 3, 0, 2))
        yield bad("3 values for `stride`", cls(stride=(1, 1, 1)), x, weight)
        yield bad("use 1 value, 2 (one per axis), or 4", cls(pad=(1, 1, 1)), x, weight)
        yield bad("`pad` of at least 0, but got -1", cls(pad=(-1,)), x, weight)
        yield bad("`dilation` of at least 1, but got 0", cls(dilation=(0,)), x, weight)
