"""Literal numbers of a file, as an array."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import check_value
from netdsl.ops.contract.time import AxisMap, InputTypes
from netdsl.types import DType, TensorType, tensor


@operator("vector")
@immutable
class Vector(Op):
    """A list of numbers as an array of one axis: `vector([0.2, 0.8])`.

    Args:
        values: The numbers, at least one.
        dtype: The element type; it must be able to represent them.

    Source: ONNX Constant.
    """

    category = "plain"
    no_gradient = "has no inputs"

    values: tuple[float, ...]
    dtype: DType = DType.F32

    def shape(self) -> TensorType:
        if not self.values:
            raise OpError("needs at least one number", attribute="values")
        for value in self.values:
            whole = not self.dtype.is_float and value.is_integer()
            check_value(int(value) if whole else value, self.dtype)
        return tensor(self.dtype, len(self.values))

    def forward(self, xp: Module) -> Array:
        return xp.asarray(self.values, dtype=self.dtype.numpy_name)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(())

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls((0.25, 0.75)))
        yield example(cls((-1.0,), DType.F64))
        yield example(cls((3.0, 1.0, 2.0), DType.I64))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("at least one", cls(()))
        yield bad("0.5 in i32", cls((0.5,), DType.I32))
        yield bad("70000", cls((1.0, 70000.0), DType.F16))
