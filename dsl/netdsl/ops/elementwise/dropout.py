"""Dropout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, bad, example, operator
from netdsl.ops.contract.rules import need_float
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.create.random import Bernoulli, Generator, check_chance, drawn
from netdsl.types import TensorType, tensor


@operator("dropout", "x")
@immutable
class Dropout(Op):
    """`x` with each element set to 0 with probability `p`, and the others divided by `1 - p`.

    Args:
        p: The probability of dropping an element, from 0 to 1. With 0 the result is `x`, with 1 it is 0.

    Inputs: `x`, floats of any shape.

    Source: Srivastava et al., "Dropout", JMLR 2014; ONNX Dropout with `training_mode`.
    """

    category = "plain"

    no_stepping = "draws random numbers for the full sequence"

    is_random: ClassVar[bool] = True

    p: float = 0.5

    def shape(self, x: TensorType) -> TensorType:
        need_float(x)
        check_chance(self.p)
        return x

    def forward(self, xp: Module, x: Array, *, rng: Generator) -> Array:
        if self.p == 1:
            return xp.zeros_like(x)
        keep = (
            drawn(xp, rng.random, x.shape) < 1 - self.p
        )  # as `bernoulli`, so that `in_parts` draws the same
        kept = xp.where(keep, x / (1 - self.p), x.dtype.type(0))
        return kept.astype(x.dtype, copy=False)

    def in_parts(self, x: Value) -> Value:
        """`x` times a mask that the backward pass reuses."""
        if self.p == 0:
            return x
        if self.p == 1:
            return x.zeros()
        keep = x.make(Bernoulli(x.shape, 1 - self.p)).cast(x.dtype)
        return x * (keep * (1 / (1 - self.p)))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 3))
        yield example(cls(0.1), draw(2, 3, 4))
        yield example(cls(0.0), draw(4))
        yield example(cls(1.0), draw(4))
        yield example(cls(), draw())
        yield example(cls(), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i64", 3))
        yield bad("from 0 to 1, but got -0.1", cls(-0.1), tensor("f32", 3))
        yield bad("from 0 to 1, but got nan", cls(float("nan")), tensor("f32", 3))
