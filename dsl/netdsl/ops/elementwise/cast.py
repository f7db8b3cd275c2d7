"""Conversion of element types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.types import DType, TensorType, tensor


@operator("cast", "x")
@immutable
class Cast(Op):
    """`x` in another element type.

    Floats are truncated when converted to integers (`-1.7` becomes `-1`); a value that the integer
    type cannot represent, NaN included, becomes an unspecified integer. Integers that do not fit
    wrap around. As `bool`, everything but 0 is true; true becomes 1 as a number.

    Args:
        dtype: The element type of the result.

    Inputs: `x`, of any type and shape. Source: ONNX `Cast`.
    """

    category = "plain"

    dtype: DType

    def shape(self, x: TensorType) -> TensorType:
        if not isinstance(self.dtype, DType):
            raise OpError(f"needs an element type, but got {self.dtype!r}", attribute="dtype")
        return x.with_dtype(self.dtype)

    def forward(self, xp: Module, x: Array) -> Array:
        return x.astype(self.dtype.numpy_name, copy=False)

    def gradient(self, dy: Value | None, y: Value, x: Value) -> Value | None:
        return dy.cast(x.dtype) if dy is not None and x.dtype.is_float else None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(DType.I64), draw(3, 5, low=-9, high=9))
        yield example(cls(DType.F32), draw(3, 5))
        yield example(cls(DType.F64), draw(3, 5))
        yield example(cls(DType.F16), draw(7))
        yield example(cls(DType.F32), draw_ints(2, 3, 4, low=-9, high=9))
        yield example(cls(DType.U8), draw_ints(4, 5, low=0, high=255))
        yield example(cls(DType.I8), draw_ints(4, 5, low=-128, high=127, dtype="i32"))
        yield example(cls(DType.BOOL), draw_ints(4, 5, low=-1, high=2))
        yield example(cls(DType.F32), draw_bools(4, 5))
        yield example(cls(DType.I32), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        as_text: Any = "f32"
        yield bad("'f32'", cls(as_text), tensor("f32", 3))
