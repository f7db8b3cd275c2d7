"""Operators that draw random numbers from a generator that the caller passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite, prod
from typing import Any, ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import check_sizes, check_value, sizes
from netdsl.types import DType, TensorType

_BLOCK = 2**24
"""Draws at once for booleans, so that the numbers that they are made of take little memory beside them."""

Generator = Any
"""`numpy.random.Generator` or `cupy.random.Generator`."""


@immutable
class _Draws(Op):
    """Base of the operators that draw a random array of shape `sizes`."""

    no_gradient = "has no inputs"

    no_stepping = "draws random numbers for the full sequence"

    is_random: ClassVar[bool] = True

    sizes: Sizes

    def _type(self, dtype: DType, **numbers: float) -> TensorType:
        check_sizes(self.sizes)
        if not dtype.is_float:
            raise OpError(f"needs a floating-point `dtype`, but got {dtype}", attribute="dtype")
        for attribute, number in numbers.items():
            if not isfinite(number):
                raise OpError(f"needs a finite `{attribute}`, but got {number}", attribute=attribute)
            check_value(number, dtype, attribute)
        return TensorType(dtype, self.sizes)

    @property
    def _fixed(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.sizes)


def drawn(xp: Module, draw: Callable[..., Array], shape: tuple[int, ...], dtype: DType = DType.F32) -> Array:
    """The numbers of a generator's `draw`, in f32 for 16-bit floats, which generators do not support.

    They are drawn along one axis, so that a scalar is an array too, whatever the generator returns for an
    empty shape.
    """
    wide = xp.float64 if dtype is DType.F64 else xp.float32
    return draw(prod(shape), dtype=wide).reshape(shape)


def check_chance(p: float) -> None:
    if not 0 <= p <= 1:
        raise OpError(f"needs `p` from 0 to 1, but got {p}", attribute="p")


@operator("normal")
@immutable
class Normal(_Draws):
    """Random numbers from the normal distribution.

    Args:
        sizes: The sizes of the result.
        mean: The mean.
        std: The standard deviation, at least 0.
        dtype: A float type; 16-bit floats are drawn as f32 and rounded.

    Source: ONNX RandomNormal.
    """

    category = "plain"

    mean: float = 0.0
    std: float = 1.0
    dtype: DType = DType.F32

    def shape(self) -> TensorType:
        result = self._type(self.dtype, mean=self.mean, std=self.std)
        if self.std < 0:
            raise OpError(f"needs `std` of at least 0, but got {self.std}", attribute="std")
        return result

    def forward(self, xp: Module, *, rng: Generator) -> Array:
        unit = drawn(xp, rng.standard_normal, self._fixed, self.dtype)
        return xp.asarray(unit * self.std + self.mean).astype(self.dtype.numpy_name)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(sizes(2, 3)))
        yield example(cls(sizes(4), -1.0, 0.5, DType.F64))
        yield example(cls((), dtype=DType.F16))
        yield example(cls(sizes(0, 2)))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("`std` of at least 0", cls(sizes(2), 0.0, -1.0))
        yield bad("finite `mean`", cls(sizes(2), float("nan")))
        yield bad("70000.0 in f16", cls(sizes(2), 70000.0, dtype=DType.F16))
        yield bad("`dtype`, but got i32", cls(sizes(2), dtype=DType.I32))
        yield bad("at least 0", cls(sizes(-2)))


@operator("uniform")
@immutable
class Uniform(_Draws):
    """Random numbers, uniformly distributed on `[low, high)`; rounding to `dtype` can yield `high` itself.

    Args:
        sizes: The sizes of the result.
        low: The lower end.
        high: The upper end, at least `low`.
        dtype: A float type; 16-bit floats are drawn as f32 and rounded.

    Source: ONNX RandomUniform.
    """

    category = "plain"

    low: float = 0.0
    high: float = 1.0
    dtype: DType = DType.F32

    def shape(self) -> TensorType:
        result = self._type(self.dtype, low=self.low, high=self.high)
        check_value(self.high - self.low, self.dtype, "high")
        if self.low > self.high:
            raise OpError(
                f"needs `low` to be at most `high`, but got {self.low} and {self.high}", attribute="low"
            )
        return result

    def forward(self, xp: Module, *, rng: Generator) -> Array:
        unit = drawn(xp, rng.random, self._fixed, self.dtype)
        return xp.asarray(unit * (self.high - self.low) + self.low).astype(self.dtype.numpy_name)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(sizes(2, 3)))
        yield example(cls(sizes(4), -1.0, 3.0, DType.F64))
        yield example(cls((), dtype=DType.F16))
        yield example(cls(sizes(0, 2)))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("2.0 and 1.0", cls(sizes(2), 2.0, 1.0))
        yield bad("finite `high`", cls(sizes(2), 0.0, float("inf")))
        yield bad("100000.0 in f16", cls(sizes(2), -50000.0, 50000.0, DType.F16))
        yield bad("`dtype`, but got bool", cls(sizes(2), dtype=DType.BOOL))
        yield bad("at least 0", cls(sizes(-2)))


@operator("bernoulli")
@immutable
class Bernoulli(_Draws):
    """Random booleans, each true with probability `p`, independently of the others.

    Args:
        sizes: The sizes of the result.
        p: The probability of true, from 0 to 1.

    The result is `bool`. Source: ONNX Bernoulli, with one probability for all elements.
    """

    category = "plain"
    no_gradient = "has no inputs"

    no_stepping = "draws random numbers for the full sequence"

    p: float = 0.5

    def shape(self) -> TensorType:
        check_chance(self.p)
        check_sizes(self.sizes)
        return TensorType(DType.BOOL, self.sizes)

    def forward(self, xp: Module, *, rng: Generator) -> Array:
        below = 2.0 if self.p == 1 else self.p  # CuPy rounds draws to f32, so that they reach 1
        result = xp.empty(prod(self._fixed), dtype=bool)
        for first in range(0, result.size, _BLOCK):
            part = result[first : first + _BLOCK]
            part[...] = drawn(xp, rng.random, part.shape) < below
        return result.reshape(self._fixed)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(sizes(2, 3)))
        yield example(cls(sizes(4), 0.1))
        yield example(cls((), 1.0))
        yield example(cls(sizes(0, 2)))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("from 0 to 1", cls(sizes(2), 1.5))
        yield bad("at least 0", cls(sizes(-2)))
