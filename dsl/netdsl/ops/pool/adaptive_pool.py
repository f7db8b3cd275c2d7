"""Pooling to a fixed number of bins, whatever the input size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Ints,
    Module,
    Op,
    bad,
    example,
    op_named,
    operator,
)
from netdsl.ops.contract.rules import spread
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, resampling_map
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.pool.global_pool import bad_samples, check_input, check_space, samples
from netdsl.types import TensorType, tensor


def bins(length: int, axis: int, parts: int) -> list[tuple[slice, ...]]:
    """Indices of the `parts` bins along an axis; a bin includes every element that it overlaps."""
    before = (slice(None),) * axis
    return [(*before, slice(n * length // parts, -(-(n + 1) * length // parts))) for n in range(parts)]


@immutable
class AdaptivePool(Op):
    """Base of the adaptive pools. Bins are rectangles, so that each axis is pooled separately."""

    category = "pool"

    size: Ints

    takes_integers: ClassVar[bool] = False

    def shape(self, x: TensorType) -> TensorType:
        check_input(x, self.takes_integers)
        return x.with_shape([*x.shape[:2], *spread(self.size, x.rank - 2, "size")])

    def forward(self, xp: Module, x: Array) -> Array:
        check_space(x)
        y = numerics.widen(xp, x)
        for axis, parts in enumerate(spread(self.size, x.ndim - 2, "size"), start=2):
            y = self._share(xp, y, axis, parts)
        return y.astype(x.dtype, copy=False)

    def _share(self, xp: Module, x: Array, axis: int, parts: int) -> Array:
        """Reduce `axis` to `parts` bins."""
        pieces = [self._reduce(xp, x[place], axis) for place in bins(x.shape[axis], axis, parts)]
        return xp.concatenate(pieces, axis=axis)

    def _reduce(self, xp: Module, x: Array, axis: int) -> Array:
        raise NotImplementedError

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return resampling_map(y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from samples(lambda: cls((1,)), cls.takes_integers)
        yield from samples(lambda: cls((2,)), cls.takes_integers)
        yield example(cls((3, 4)), draw(2, 3, 7, 9))
        yield example(cls((7,)), draw(2, 3, 5, 3))
        yield example(cls((4,)), draw(2, 3, 12, 8))
        yield example(cls((2, 3, 1)), draw(1, 2, 5, 4, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from bad_samples(lambda: cls((2,)), cls.takes_integers)
        yield bad("2 values for `size`", cls((2, 2)), tensor("f32", 2, 3, 5))
        yield bad("`size` of at least 1, but got 0", cls((0,)), tensor("f32", 2, 3, 5))


@operator("adaptive_avg_pool", "x")
@immutable
class AdaptiveAvgPool(AdaptivePool):
    """The mean of each of `size` bins: bin `i` is `floor(i * n / size)` to `ceil((i + 1) * n / size)`.

    Args:
        size: The number of bins, which is the size of the result; one value, or one per spatial axis.

    Inputs: `x` `[B, C, *space]`, floats. The result is `[B, C, *size]`.

    Source: He et al. 2014; PyTorch's `adaptive_avg_pool2d`.
    """

    def _reduce(self, xp: Module, x: Array, axis: int) -> Array:
        return xp.mean(x, axis=axis, keepdims=True)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(op_named("adaptive_avg_pool_gradient", self.size, x.shape))


@operator("adaptive_max_pool", "x")
@immutable
class AdaptiveMaxPool(AdaptivePool):
    """The largest element of each of `size` bins, which are those of `adaptive_avg_pool`.

    Args:
        size: The number of bins, which is the size of the result; one value, or one per spatial axis.

    Inputs: `x` `[B, C, *space]`, any numbers. The result is `[B, C, *size]`.

    Source: He et al. 2014; PyTorch's `adaptive_max_pool2d`.
    """

    takes_integers: ClassVar[bool] = True

    def _reduce(self, xp: Module, x: Array, axis: int) -> Array:
        return xp.max(x, axis=axis, keepdims=True)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(op_named("adaptive_max_pool_gradient", self.size), x)
