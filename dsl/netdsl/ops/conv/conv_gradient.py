"""The gradients of a convolution with respect to its input and its weight.

A convolution is linear in either operand, so that the gradients of each of these two and of `conv` are the
other two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product as combinations
from math import prod

from netdsl.dims import Dim, product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Ints,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import could_equal, same_dtype, sizes
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.conv.conv import Conv
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.columns import columns, matrices, window_blocks
from netdsl.ops.numerics.windows import Windows, windows
from netdsl.types import TensorType, shape_text, tensor


@immutable
class _ConvGradient(Op):
    """Base of both: the sizes of the result, and the attributes of the convolution."""

    sizes: Sizes
    stride: Ints = (1,)
    pad: Ints | str = (0,)
    dilation: Ints = (1,)
    groups: int = 1

    def _check(self, dy: TensorType, x: TensorType, weight: TensorType) -> None:
        """Raise `OpError` if the convolution of `x` with `weight` is not shaped as `dy`."""
        expected = Conv(self.stride, self.pad, self.dilation, self.groups).shape(x, weight)
        if expected.rank != dy.rank or not all(map(could_equal, expected.shape, dy.shape)):
            raise OpError(f"needs `dy` of shape {shape_text(expected.shape)}, but got {dy}", at=["dy"])

    @property
    def _fixed(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.sizes)


def _samples() -> Iterator[tuple[Conv, tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Convolutions with the shapes of their input, weight and result."""
    yield Conv(), (2, 3, 5, 4), (4, 3, 3, 2), (2, 4, 3, 3)
    yield Conv(pad=(1,)), (1, 2, 4, 5), (3, 2, 3, 3), (1, 3, 4, 5)
    yield Conv(pad=(3,)), (1, 2, 3), (2, 2, 3), (1, 2, 7)
    yield Conv((2, 1), (1, 0), (1, 2)), (1, 2, 6, 5), (2, 2, 3, 2), (1, 2, 3, 3)
    yield Conv((3,), (0, 1)), (2, 2, 8), (3, 2, 2), (2, 3, 3)
    yield Conv((2,), "same"), (1, 2, 5, 4), (2, 2, 3, 3), (1, 2, 3, 2)
    yield Conv(pad=(1,), groups=2), (2, 4, 3, 3), (6, 2, 3, 3), (2, 6, 3, 3)
    yield Conv((2,), (1,), groups=3), (2, 3, 5, 4), (3, 1, 3, 3), (2, 3, 3, 2)
    yield Conv(groups=2), (3, 4, 5), (2, 2, 1), (3, 2, 5)
    yield Conv((2,)), (2, 3, 5, 4), (5, 3, 1, 1), (2, 5, 3, 2)
    yield Conv(pad=(1,)), (0, 3, 4), (2, 3, 3), (0, 2, 4)
    yield Conv((2,), "same"), (2, 3, 7, 0), (4, 3, 3, 2), (2, 4, 4, 0)
    yield Conv((2,), "same"), (2, 3, 0, 7), (4, 3, 3, 2), (2, 4, 0, 4)


@operator("conv_input_gradient", "dy", "weight", internal=True)
@immutable
class ConvInputGradient(_ConvGradient):
    """`dx[b, c, i * stride + k * dilation - pad] += dy[b, o, i] * weight[o, c, k]`: the adjoint of `conv`.

    Args:
        sizes: The sizes of the convolution's `x`.
        stride, pad, dilation, groups: As in `conv`.

    Inputs: `dy` `[B, O, *counts]`; `weight` `[O, C / groups, *window]`; floats of one element type. The
    result is `[B, C, *space]`. With stride 1 it is a convolution of `dy` with the reversed weight;
    otherwise the products are added in place, one position of the window after another.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic", 2016, chapter 4.
    """

    category = "plain"

    def shape(self, dy: TensorType, weight: TensorType) -> TensorType:
        same_dtype(dy, weight, ("dy", "weight"))
        x = dy.with_shape(self.sizes)
        self._check(dy, x, weight)
        return x

    def forward(self, xp: Module, dy: Array, weight: Array) -> Array:
        shape = self._fixed
        placement = windows(weight.shape[2:], self.stride, self.pad, self.dilation)
        padding = placement.padding(shape[2:])
        if prod(weight.shape[2:]) == 1 and not any(map(any, padding)):
            return self._pointwise(xp, dy, weight, placement)
        back = [
            (int(placement.reach(axis)) - 1 - begin, int(placement.reach(axis)) - 1 - end)
            for axis, (begin, end) in enumerate(padding)
        ]
        few = weight.shape[0] <= 2 * shape[1]  # with many output channels, im2col copies more
        if max(placement.stride) == 1 and min(map(min, back)) >= 0 and few:
            pad = tuple(pair[side] for side in (0, 1) for pair in back)
            return Conv((1,), pad, self.dilation, self.groups).forward(xp, dy, self._reversed(xp, weight))
        return self._added_up(xp, dy, weight, placement)

    def _pointwise(self, xp: Module, dy: Array, weight: Array, placement: Windows) -> Array:
        batch, channels, *counts = dy.shape
        flow = dy.reshape(batch, self.groups, channels // self.groups, prod(counts))
        products = numerics.matmul(xp, matrices(weight, self.groups).swapaxes(1, 2), flow)
        products = products.reshape(batch, self._fixed[1], *counts)
        if max(placement.stride) == 1:
            return products
        dx = xp.zeros(self._fixed, dtype=dy.dtype)
        dx[(..., *(slice(None, None, step) for step in placement.stride))] = products
        return dx

    def _reversed(self, xp: Module, weight: Array) -> Array:
        """The weight with reversed windows and with its input and output channels exchanged."""
        outputs, inner, *window = weight.shape
        grouped = weight.reshape(self.groups, outputs // self.groups, inner, *window).swapaxes(1, 2)
        flipped = grouped[(..., *[slice(None, None, -1)] * len(window))]
        shape = (self.groups * inner, outputs // self.groups, *window)
        return xp.ascontiguousarray(flipped.reshape(shape))  # BLAS does not take reversed axes

    def _added_up(self, xp: Module, dy: Array, weight: Array, placement: Windows) -> Array:
        shape, counts = self._fixed, dy.shape[2:]
        kind = xp.float32 if dy.dtype.itemsize == 2 else dy.dtype
        full = xp.zeros((*shape[:2], *placement.extents(shape[2:])), dtype=kind)
        view = placement.view(xp, full, counts)
        column = shape[1] * prod(weight.shape[2:]) * full.itemsize
        for images, rows in window_blocks(xp, len(dy) if dy.size else 0, counts, column):
            part = numerics.widen(xp, dy[images, :, rows])
            products = self._products(xp, part, numerics.widen(xp, weight))
            target = view[images, :, rows]
            for place in combinations(*map(range, weight.shape[2:])):
                target[(..., *place)] += products(place)
        return full[(..., *placement.inside(shape[2:]))].astype(dy.dtype, copy=False)

    def _products(self, xp: Module, dy: Array, weight: Array) -> Callable[[tuple[int, ...]], Array]:
        """The products `[B, C, *counts]` of `dy` with the weight at one position of the window."""
        if weight.shape[:2] == (self.groups, 1):  # depthwise: nothing to sum
            factors = weight.reshape(self.groups, *[1] * (dy.ndim - 2), *weight.shape[2:])
            return lambda place: dy * factors[(..., *place)]
        turned = matrices(weight, self.groups).swapaxes(1, 2)
        batch, _, *counts = dy.shape
        products = xp.matmul(turned, _as_columns(dy, self.groups))
        every = products.reshape(self._fixed[1], *weight.shape[2:], batch, *counts)
        return lambda place: every[(slice(None), *place)].swapaxes(0, 1)

    def gradient(self, dy: Value, y: Value, inner: Value, weight: Value) -> tuple[Value, Value]:
        where = (self.stride, self.pad, self.dilation, self.groups)
        dinner = dy.apply(Conv(*where), weight).reshape(inner.shape)
        return dinner, inner.apply(ConvWeightGradient(weight.shape, *where), dy)

    def cost(self, dy: TensorType, weight: TensorType) -> Dim:
        return dy.size * product(weight.shape[1:])

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for op, x, weight, y in _samples():
            yield example(cls(sizes(*x), op.stride, op.pad, op.dilation, op.groups), draw(*y), draw(*weight))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        dy, weight = tensor("f32", 2, 4, 3, 3), tensor("f32", 4, 3, 3, 3)
        yield bad("f32 and f64", cls(sizes(2, 3, 5, 5)), dy, tensor("f64", 4, 3, 3, 3))
        yield bad("`dy` of shape [2, 4, 4, 4]", cls(sizes(2, 3, 6, 6)), dy, weight)


_LONG_ROWS = 2048
"""From this many products per sum, the other layout is faster, despite the extra transpose of the weight."""


@operator("conv_weight_gradient", "dy", "x", internal=True)
@immutable
class ConvWeightGradient(_ConvGradient):
    """`dw[o, c, k] = sum over b, i of dy[b, o, i] * x[b, c, i * stride + k * dilation - pad]`.

    Args:
        sizes: The sizes of the convolution's weight.
        stride, pad, dilation, groups: As in `conv`.

    Inputs: `dy` `[B, O, *counts]`; `x` `[B, C, *space]`; floats of one element type. The result is
    `[O, C / groups, *window]`. Sums of 16-bit floats are computed in f32.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic", 2016, chapter 4.
    """

    category = "plain"

    def shape(self, dy: TensorType, x: TensorType) -> TensorType:
        same_dtype(dy, x, ("dy", "x"))
        weight = x.with_shape(self.sizes)
        self._check(dy, x, weight)
        return weight

    def forward(self, xp: Module, dy: Array, x: Array) -> Array:
        shape, counts = self._fixed, dy.shape[2:]
        kind = xp.float32 if x.dtype.itemsize == 2 else x.dtype
        outputs, inner, *window = shape
        size = (self.groups, inner * prod(window), outputs // self.groups)
        turned = len(x) * prod(counts) >= _LONG_ROWS
        total = xp.zeros(size if turned else (size[0], size[2], size[1]), dtype=kind)
        placement = windows(window, self.stride, self.pad, self.dilation)
        patches = placement.view(xp, placement.padded(xp, x, 0), counts)
        column = x.shape[1] * prod(window) * x.dtype.itemsize
        for images, rows in window_blocks(xp, len(x), counts, column) if dy.size and total.size else ():
            copied = numerics.widen(xp, columns(patches[images, :, rows], self.groups))
            flow = _as_columns(numerics.widen(xp, dy[images, :, rows]), self.groups)
            one, other = (copied, flow) if turned else (flow, copied)
            total += xp.matmul(one, other.swapaxes(1, 2))
        whole = total.swapaxes(1, 2) if turned else total
        return xp.ascontiguousarray(whole.astype(x.dtype, copy=False)).reshape(shape)

    def gradient(self, dy: Value, y: Value, inner: Value, x: Value) -> tuple[Value, Value]:
        where = (self.stride, self.pad, self.dilation, self.groups)
        dinner = x.apply(Conv(*where), dy).reshape(inner.shape)
        return dinner, inner.apply(ConvInputGradient(x.shape, *where), dy)

    def cost(self, dy: TensorType, x: TensorType) -> Dim:
        return dy.size * product(self.sizes[1:])

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for op, x, weight, y in _samples():
            yield example(cls(sizes(*weight), op.stride, op.pad, op.dilation, op.groups), draw(*y), draw(*x))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        dy, x = tensor("f32", 2, 4, 3, 3), tensor("f32", 2, 3, 5, 5)
        yield bad("f32 and f64", cls(sizes(4, 3, 3, 3)), dy, tensor("f64", 2, 3, 5, 5))
        yield bad("`dy` of shape [2, 5, 3, 3]", cls(sizes(5, 3, 3, 3)), dy, x)


def _as_columns(x: Array, groups: int) -> Array:
    """`[groups, C / groups, B * counts]` from `[B, C, *counts]`; without a copy where `B` is 1."""
    batch, channels, *counts = x.shape
    split = x.reshape(batch, groups, channels // groups, prod(counts))
    return split.transpose(1, 2, 0, 3).reshape(groups, channels // groups, batch * prod(counts))
