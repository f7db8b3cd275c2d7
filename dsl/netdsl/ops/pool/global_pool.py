"""Pooling over all spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    DataError,
    Example,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, need_number, need_rank, need_type
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.windows import LAYOUT
from netdsl.ops.pool.pool import check_power, norm_slope, power, power_slope, root
from netdsl.ops.reduce.reduce import Max, Mean
from netdsl.types import TensorType, tensor


def check_input(x: TensorType, takes_integers: bool) -> None:
    (need_number if takes_integers else need_float)(x)
    need_rank(x, 3, layout=LAYOUT)
    for axis in range(2, x.rank):
        if x.shape[axis] == 0:
            raise OpError(f"has nothing to pool: axis {axis} of `x` has size 0", at=[("x", axis)])


def check_space(x: Array) -> None:
    if prod(x.shape[2:]) == 0:
        raise DataError(f"has nothing to pool: `x` has shape {list(x.shape)}")


def samples(op: Callable[..., Op], integers: bool) -> Iterable[Example]:
    """Samples for pools that differ in their attributes."""
    yield example(op(), draw(2, 3, 7, 5))
    yield example(op(), draw(2, 3, 6))
    yield example(op(), draw(2, 3, 4, 2, 3))
    yield example(op(), draw(2, 3, 1, 1))
    yield example(op(), draw(0, 3, 4, 4))
    yield example(op(), draw(2, 0, 4, 4))
    if integers:
        yield example(op(), draw_ints(2, 3, 5, 4, low=-100, high=100, dtype="i8"))


def bad_samples(op: Callable[..., Op], integers: bool) -> Iterable[BadExample]:
    words = "needs numbers" if integers else "floating-point"
    yield bad(words, op(), tensor("bool", 2, 3, 5))
    yield bad("at least 1 spatial axis, but `x` is f32[2, 3]", op(), tensor("f32", 2, 3))
    yield bad("axis 3 of `x` has size 0", op(), tensor("f32", 2, 3, 5, 0))


@immutable
class _GlobalPool(Op):
    """Base of the global pools: the spatial axes are dropped, or keep size 1."""

    category = "pool"

    keepdims: bool = False

    takes_integers: ClassVar[bool] = False

    def shape(self, x: TensorType) -> TensorType:
        check_input(x, self.takes_integers)
        return x.with_shape([*x.shape[:2], *[1] * (x.rank - 2 if self.keepdims else 0)])

    def forward(self, xp: Module, x: Array) -> Array:
        check_space(x)
        space = tuple(range(2, x.ndim))
        return xp.asarray(self._reduce(xp, x, space)).astype(x.dtype, copy=False)

    def _reduce(self, xp: Module, x: Array, axis: tuple[int, ...]) -> Array:
        raise NotImplementedError

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x = need_type(xs[0])
        return AxisMap(((0, 1, *[None] * (x.rank - 2)),))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from samples(cls, cls.takes_integers)
        yield example(cls(keepdims=True), draw(2, 3, 4, 5))
        yield example(cls(keepdims=True), draw(2, 3, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from bad_samples(cls, cls.takes_integers)


@operator("global_avg_pool", "x")
@immutable
class GlobalAvgPool(_GlobalPool):
    """The mean of each channel over all spatial axes.

    Args:
        keepdims: Whether the spatial axes stay, with size 1.

    Inputs: `x` `[B, C, *space]`, floats. The result is `[B, C]`.

    Source: Lin et al. 2013; ONNX `GlobalAveragePool`.
    """

    def _reduce(self, xp: Module, x: Array, axis: tuple[int, ...]) -> Array:
        return xp.mean(numerics.widen(xp, x), axis=axis, keepdims=self.keepdims)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        dx, _ = Mean(tuple(range(2, x.rank)), self.keepdims).gradient(dy, y, x, None)
        assert dx is not None
        return dx


@operator("global_max_pool", "x")
@immutable
class GlobalMaxPool(_GlobalPool):
    """The largest element of each channel over all spatial axes.

    Args:
        keepdims: Whether the spatial axes stay, with size 1.

    Inputs: `x` `[B, C, *space]`, any numbers. The result is `[B, C]`.

    Source: Oquab et al. 2015; ONNX `GlobalMaxPool`.
    """

    takes_integers: ClassVar[bool] = True

    def _reduce(self, xp: Module, x: Array, axis: tuple[int, ...]) -> Array:
        return xp.max(x, axis=axis, keepdims=self.keepdims)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        """`dy`, shared equally among the elements that tie."""
        return Max(tuple(range(2, x.rank)), self.keepdims).gradient(dy, y, x)


@operator("global_lp_pool", "x")
@immutable
class GlobalLpPool(_GlobalPool):
    """The norm of each channel over all spatial axes: `sum(|x| ** p) ** (1 / p)`.

    Args:
        keepdims: Whether the spatial axes stay, with size 1.
        p: The order of the norm, above 0.

    Inputs: `x` `[B, C, *space]`, floats. The result is `[B, C]`.

    Source: Sermanet et al. 2012; ONNX `GlobalLpPool`.
    """

    p: float = 2.0

    def shape(self, x: TensorType) -> TensorType:
        y = super().shape(x)
        check_power(self.p, x.dtype)
        return y

    def _reduce(self, xp: Module, x: Array, axis: tuple[int, ...]) -> Array:
        total = xp.sum(power(xp, numerics.widen(xp, x), self.p), axis=axis, keepdims=self.keepdims)
        return root(xp, total, self.p)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        axes = range(2, x.rank)
        flow, norm = (v if self.keepdims else v.unfold(axes, x) for v in (dy, y))
        return (norm_slope(flow, norm, self.p) * power_slope(x, self.p)).cast(x.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        for p in (1.0, 1.5, 3.0):
            yield example(cls(p=p), draw(2, 3, 4, 5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("above 0, but got -1.0", cls(p=-1.0), tensor("f32", 2, 3, 5))
        yield bad("1e+308 in f32", cls(p=1e308), tensor("f32", 2, 3, 5))
        yield bad("finite `p`", cls(p=float("inf")), tensor("f64", 2, 3, 5))
