"""Softmax and its logarithm, over any axes and over kept positions only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netdsl.ops.base import (
    Array,
    Axes,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    bad,
    draw,
    draw_bools,
    example,
    operator,
)
from netdsl.ops.rules import broadcast, need_bool, need_float, normal_axes
from netdsl.types import TensorType, tensor


@operator("softmax", "x", "where?")
@dataclass(frozen=True)
class Softmax(Op):
    """`exp(x) / sum(exp(x))` over the axes `over`, shifted by the maximum so that it cannot overflow.

    Args:
        over: The axes to normalise together; the last one by default.

    Inputs: `x`, any float shape; `where`, a keep-mask that broadcasts to `x`: positions that are
    false get weight 0, and a row without any kept position is 0 throughout (never NaN).

    Source: Bridle 1990; masking as in Vaswani et al. 2017, section 3.2.3.
    """

    over: Axes = (-1,)

    def shape(self, x: TensorType, where: TensorType | None = None) -> TensorType:
        need_float(x)
        normal_axes(self.over, x.rank)
        if where is not None:
            need_bool(where, "where")
            if broadcast(x, where, ("x", "where")) != x.shape:
                raise OpError(
                    f"`where` is {where} and does not broadcast to `x`, which is {x}", at=["x", "where"]
                )
        return x

    def forward(self, xp: Module, x: Array, where: Array | None = None) -> Array:
        if where is not None:
            x = xp.where(where, x, x.dtype.type(-xp.inf))
        top = xp.max(x, axis=self.over, keepdims=True, initial=-xp.inf)
        top = xp.where(xp.isfinite(top), top, x.dtype.type(0))
        weights = xp.exp(x - top)
        total = xp.sum(weights, axis=self.over, keepdims=True)
        return weights / xp.where(total == 0, x.dtype.type(1), total)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 5))
        yield example(cls((1,)), draw(2, 3, 4, low=-50, high=50))
        yield example(cls((1, 2)), draw(2, 3, 4))
        yield example(cls(), draw(2, 3, 4), draw_bools(2, 1, 4))
        yield example(cls(), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i32", 3))
        yield bad("axis 2", cls((2,)), tensor("f32", 3, 4))
        yield bad("true or false", cls(), tensor("f32", 3), tensor("f32", 3))
        yield bad("`where`", cls(), tensor("f32", 3), tensor("bool", 2, 3))
