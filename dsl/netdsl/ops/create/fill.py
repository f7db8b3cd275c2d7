"""Tensors of zeros and of ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netdsl.dims import dim
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, Sizes, bad, example, operator
from netdsl.ops.contract.rules import check_sizes
from netdsl.ops.contract.time import AxisMap, InputMap, InputTypes, TimeAxis, TimeSlice
from netdsl.types import DType, TensorType


@immutable
class _Filled(Op):
    """A tensor whose elements are all one number; `sizes` and `dtype` as in `constant`."""

    category = "plain"
    no_gradient = "has no inputs"

    sizes: Sizes = ()
    dtype: DType = DType.F32

    def shape(self) -> TensorType:
        check_sizes(self.sizes)
        return TensorType(self.dtype, tuple(map(dim, self.sizes)))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(())

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        return replace(self, sizes=time.sizes(y.shape, positions))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls())
        yield example(cls((dim(2), dim(3)), DType.I64))
        yield example(cls((dim(0), dim(3)), DType.F64))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("at least 0", cls((dim(-1),)))


@operator("zeros")
@immutable
class Zeros(_Filled):
    """A tensor of zeros: `zeros([B, 10])`, `zeros([B], dtype=i64)`. Source: ONNX ConstantOfShape."""

    def forward(self, xp: Module) -> Array:
        return xp.zeros([int(size) for size in self.sizes], dtype=self.dtype.numpy_name)


@operator("ones")
@immutable
class Ones(_Filled):
    """A tensor of ones: `ones([2, 3, 224, 224])`, `ones([B], dtype=i64)`. Source: ONNX ConstantOfShape."""

    def forward(self, xp: Module) -> Array:
        return xp.ones([int(size) for size in self.sizes], dtype=self.dtype.numpy_name)
