"""Pooling to a fixed size: over the whole space, or over bins that share it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar

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
    draw,
    draw_ints,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, need_number, need_rank, spread
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.windows import LAYOUT
from netdsl.ops.pool.pool import check_power, norm_slope, power, power_slope, root
from netdsl.ops.reduce.reduce import Max, Mean
from netdsl.types import TensorType, tensor

if TYPE_CHECKING:
    from netdsl.ops.contract.value import Value


def _check(x: TensorType, takes_integers: bool) -> None:
    (need_number if takes_integers else need_float)(x)
    need_rank(x, 3, layout=LAYOUT)
    for axis in range(2, x.rank):
        if x.shape[axis] == 0:
            raise OpError(f"has nothing to pool: axis {axis} of `x` has size 0", at=[("x", axis)])


def _check_space(x: Array) -> None:
    if prod(x.shape[2:]) == 0:
        raise DataError(f"has nothing to pool: `x` has shape {list(x.shape)}")


def _samples(op: Callable[..., Op], integers: bool) -> Iterable[Example]:
    """Samples for pools that differ in their attributes."""
    yield example(op(), draw(2, 3, 7, 5))
    yield example(op(), draw(2, 3, 6))
    yield example(op(), draw(2, 3, 4, 2, 3))
    yield example(op(), draw(2, 3, 1, 1))
    yield example(op(), draw(0, 3, 4, 4))
    yield example(op(), draw(2, 0, 4, 4))
    if integers:
        yield example(op(), draw_ints(2, 3, 5, 4, low=-100, high=100, dtype="i8"))


def _bad_samples(op: Callable[..., Op], integers: bool) -> Iterable[BadExample]:
    words = "needs numbers" if integers else "floating-point"
    yield bad(words, op(), tensor("bool", 2, 3, 5))
    yield bad("at least 1 spatial axis, and `x` is f32[2, 3]", op(), tensor("f32", 2, 3))
    yield bad("axis 3 of `x` has size 0", op(), tensor("f32", 2, 3, 5, 0))


@dataclass(frozen=True)
class _GlobalPool(Op):
    """What the global pools share: the spatial axes go, or keep size 1."""

    keepdims: bool = False

    takes_integers: ClassVar[bool] = False

    def shape(self, x: TensorType) -> TensorType:
        _check(x, self.takes_integers)
        return x.with_shape([*x.shape[:2], *[1] * (x.rank - 2 if self.keepdims else 0)])

    def forward(self, xp: Module, x: Array) -> Array:
        _check_space(x)
        space = tuple(range(2, x.ndim))
        return xp.asarray(self._reduce(xp, x, space)).astype(x.dtype, copy=False)

    def _reduce(self, xp: Module, x: Array, axis: tuple[int, ...]) -> Array:
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from _samples(cls, cls.takes_integers)
        yield example(cls(keepdims=True), draw(2, 3, 4, 5))
        yield example(cls(keepdims=True), draw(2, 3, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from _bad_samples(cls, cls.takes_integers)


@operator("global_avg_pool", "x")
@dataclass(frozen=True)
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
@dataclass(frozen=True)
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
        """Shared equally among the elements that tie."""
        return Max(tuple(range(2, x.rank)), self.keepdims).gradient(dy, y, x)


@operator("global_lp_pool", "x")
@dataclass(frozen=True)
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
        check_power(self.p)
        return super().shape(x)

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
        yield bad("above 0, and gets -1.0", cls(p=-1.0), tensor("f32", 2, 3, 5))


def bins(length: int, axis: int, parts: int) -> list[tuple[slice, ...]]:
    """Places of the `parts` bins along an axis; each bin takes every element that it touches."""
    before = (slice(None),) * axis
    return [(*before, slice(n * length // parts, -(-(n + 1) * length // parts))) for n in range(parts)]


@dataclass(frozen=True)
class AdaptivePool(Op):
    """What the adaptive pools share: the bins. They are rectangles, so each axis is pooled by itself."""

    size: Ints

    takes_integers: ClassVar[bool] = False

    def shape(self, x: TensorType) -> TensorType:
        _check(x, self.takes_integers)
        return x.with_shape([*x.shape[:2], *spread(self.size, x.rank - 2, "size")])

    def forward(self, xp: Module, x: Array) -> Array:
        _check_space(x)
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

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from _samples(lambda: cls((1,)), cls.takes_integers)
        yield from _samples(lambda: cls((2,)), cls.takes_integers)
        yield example(cls((3, 4)), draw(2, 3, 7, 9))
        yield example(cls((7,)), draw(2, 3, 5, 3))
        yield example(cls((4,)), draw(2, 3, 12, 8))
        yield example(cls((2, 3, 1)), draw(1, 2, 5, 4, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from _bad_samples(lambda: cls((2,)), cls.takes_integers)
        yield bad("2 values for `size`", cls((2, 2)), tensor("f32", 2, 3, 5))
        yield bad("`size` of at least 1, and gets 0", cls((0,)), tensor("f32", 2, 3, 5))


@operator("adaptive_avg_pool", "x")
@dataclass(frozen=True)
class AdaptiveAvgPool(AdaptivePool):
    """The mean of each of `size` bins: bin `i` is `floor(i * n / size)` to `ceil((i + 1) * n / size)`.

    Args:
        size: Bins, and so elements of the result; one value, or one per spatial axis.

    Inputs: `x` `[B, C, *space]`, floats. The result is `[B, C, *size]`.

    Source: He et al. 2014; PyTorch's `adaptive_avg_pool2d`.
    """

    def _reduce(self, xp: Module, x: Array, axis: int) -> Array:
        return xp.mean(x, axis=axis, keepdims=True)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        from netdsl.ops.pool.adaptive_gradient import AdaptiveAvgPoolGradient

        return dy.apply(AdaptiveAvgPoolGradient(self.size, x.shape))


@operator("adaptive_max_pool", "x")
@dataclass(frozen=True)
class AdaptiveMaxPool(AdaptivePool):
    """The largest element of each of `size` bins, which are those of `adaptive_avg_pool`.

    Args:
        size: Bins, and so elements of the result; one value, or one per spatial axis.

    Inputs: `x` `[B, C, *space]`, any numbers. The result is `[B, C, *size]`.

    Source: He et al. 2014; PyTorch's `adaptive_max_pool2d`.
    """

    takes_integers: ClassVar[bool] = True

    def _reduce(self, xp: Module, x: Array, axis: int) -> Array:
        return xp.max(x, axis=axis, keepdims=True)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        from netdsl.ops.pool.adaptive_gradient import AdaptiveMaxPoolGradient

        return dy.apply(AdaptiveMaxPoolGradient(self.size), x)
