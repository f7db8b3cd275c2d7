"""Clipping to a range."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import LIMITS, need_number
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.types import TensorType, tensor


@operator("clip", "x")
@immutable
class Clip(Op):
    """`min(max(x, low), high)`, elementwise; NaN stays NaN.

    Args:
        low: The lower bound; none by default.
        high: The upper bound; none by default.

    Inputs: `x`, numbers of any shape. For integers both bounds must be integers.

    Source: ONNX `Clip`.
    """

    category = "plain"

    low: float | None = None
    high: float | None = None

    def shape(self, x: TensorType) -> TensorType:
        need_number(x)
        for attribute in ("low", "high"):
            self._check_bound(attribute, x)
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise OpError(f"needs `low` below `high`, but got {self.low} and {self.high}", attribute="low")
        return x

    def _check_bound(self, attribute: str, x: TensorType) -> None:
        bound = getattr(self, attribute)
        if bound is None:
            return
        least, most = LIMITS[x.dtype]
        if not least <= bound <= most:
            raise OpError(
                f"got `{attribute}` {bound}, which {x.dtype} cannot represent: `x` is {x}",
                at=["x"],
                attribute=attribute,
                help=f"use a value from {least} to {most}, or omit `{attribute}`",
            )
        if x.dtype.is_int and bound != int(bound):
            raise OpError(
                f"needs integer bounds for {x.dtype}, but `{attribute}` is {bound}", attribute=attribute
            )

    def forward(self, xp: Module, x: Array) -> Array:
        if self.low is not None:
            x = xp.maximum(x, x.dtype.type(self.low))
        if self.high is not None:
            x = xp.minimum(x, x.dtype.type(self.high))
        return xp.asarray(x)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        """1 from `low` to `high`, inclusive."""
        return dy * y.equals(x).cast(x.dtype)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(-0.5, 0.25), draw(3, 5))
        yield example(cls(low=0.0), draw(2, 3, 4))
        yield example(cls(high=0.5), draw())
        yield example(cls(), draw(4))
        yield example(cls(-2, 3), draw_ints(4, 5, low=-6, high=6))
        yield example(cls(-1.0, 1.0), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs numbers", cls(0.0), tensor("bool", 3))
        yield bad("2.0 and 1.0", cls(2.0, 1.0), tensor("f32", 3))
        yield bad("`low` -1000000000.0, which f16 cannot represent", cls(low=-1e9), tensor("f16", 3))
        yield bad("`high` 256", cls(high=256), tensor("u8", 3))
        yield bad("`low` is 0.5", cls(low=0.5), tensor("i64", 3))
        yield bad("`low` nan", cls(low=float("nan")), tensor("f32", 3))
