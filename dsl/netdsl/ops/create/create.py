"""Operators without inputs: constants, ranges and the causal mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netdsl.dims import Dim, dim, symbol
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
from netdsl.ops.contract.time import (
    AxisMap,
    InputMap,
    InputTypes,
    Positions,
    TimeAxis,
    TimeSlice,
    UnsupportedError,
)
from netdsl.ops.shape.slice import count
from netdsl.types import DType, TensorType, tensor

_ZERO = dim(0)


@operator("constant")
@immutable
class Constant(Op):
    """An array whose elements all have one value.

    Args:
        value: A number, a size or a boolean.
        sizes: The sizes of the result; a scalar by default.
        dtype: The element type; it must be able to represent the value.

    Source: ONNX ConstantOfShape.
    """

    category = "plain"
    no_gradient = "has no inputs"

    value: Dim | int | float | bool  # in the order of trial, so that integers stay exact
    sizes: Sizes = ()
    dtype: DType = DType.F32

    def shape(self) -> TensorType:
        check_value(self.value, self.dtype)
        check_sizes(self.sizes)
        return TensorType(self.dtype, self.sizes)

    def forward(self, xp: Module) -> Array:
        value = int(self.value) if isinstance(self.value, Dim) else self.value
        return xp.full(tuple(int(size) for size in self.sizes), value, dtype=self.dtype.numpy_name)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(())

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        if replace(self, sizes=()).depends_on(time.name):
            raise UnsupportedError("a constant that depends on the number of positions changes at every step")
        return replace(self, sizes=time.sizes(y.shape, positions))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(0.5))
        yield example(cls(-1, sizes(2, 3)))
        yield example(cls(7, sizes(2), DType.I64))
        yield example(cls(dim(5), sizes(2), DType.I32))
        yield example(cls(True, sizes(1, 2), DType.BOOL))
        yield example(cls(float("-inf"), sizes(2), DType.F64))
        yield example(cls(1, sizes(0, 2)))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("0.5 in i64", cls(0.5, dtype=DType.I64))
        yield bad("300 in u8", cls(300, dtype=DType.U8))
        yield bad("70000 in f16", cls(70000, dtype=DType.F16))
        yield bad("inf in i32", cls(float("inf"), dtype=DType.I32))
        yield bad("true to f32", cls(True))
        yield bad("1 to bool", cls(1, dtype=DType.BOOL))
        yield bad("at least 0", cls(1, sizes(2, -1)))


@operator("range")
@immutable
class Range(Op):
    """`start, start + step, ...` up to, but excluding, `stop`, as one axis.

    Args:
        stop: The end, which is excluded.
        start: The first number.
        step: The distance between numbers, not 0; negative counts down.
        dtype: The element type of the result, any but `bool`.

    Source: `range` of Python; ONNX Range.
    """

    category = "plain"
    no_gradient = "has no inputs"

    stop: Dim
    start: Dim = _ZERO
    step: int = 1
    dtype: DType = DType.I64

    def shape(self) -> TensorType:
        if self.step == 0:
            raise OpError("needs a nonzero `step`", attribute="step")
        if not self.dtype.is_number:
            raise OpError(f"cannot count in {self.dtype}", attribute="dtype")
        length = self._length
        if length.compare(0) == 1:
            check_value(self.start, self.dtype, "start")
            check_value(self.start + (length - 1) * self.step, self.dtype, "stop")
        return tensor(self.dtype, length)

    @property
    def _length(self) -> Dim:
        if self.step > 0:
            return count([self.stop], [self.start], self.step)
        return count([self.start], [self.stop], -self.step)

    def forward(self, xp: Module) -> Array:
        numbers = xp.arange(int(self.start), int(self.stop), self.step, dtype=xp.int64)
        return numbers.astype(self.dtype.numpy_name)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(())

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        """A range over new positions starts after the past ones."""
        if time.name in self.start.symbols:
            raise UnsupportedError("a range that starts at the last position changes at every step")
        begin = self.start + time.past * self.step if positions[0] is Positions.NEW else self.start
        end = begin + time.size(positions[0], y.shape[0]) * self.step
        return Range(end, begin, self.step, self.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(dim(5)))
        yield example(cls(dim(11), dim(-2), 3))
        yield example(cls(dim(-2), dim(7), -2, DType.I32))
        yield example(cls(dim(6), dim(1), dtype=DType.F32))
        yield example(cls(dim(2), dim(3)))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("a nonzero `step`", cls(dim(3), step=0))
        yield bad("count in bool", cls(dim(3), dtype=DType.BOOL))
        yield bad("299 in u8", cls(dim(300), dtype=DType.U8))
        yield bad("-1 in u8", cls(symbol("B"), dim(-1), dtype=DType.U8))


@operator("causal_mask")
@immutable
class CausalMask(Op):
    """The keys that each query may attend to: true where `column <= row + columns - rows`.

    With as many columns as rows, this is the lower triangle. With more columns, the first
    `columns - rows` keys precede all queries, which may all attend to them.

    Args:
        rows: The number of queries.
        columns: The number of keys.

    Source: Vaswani et al., "Attention is all you need", 2017, section 3.2.3; ONNX Trilu.
    """

    category = "plain"
    no_gradient = "has no inputs"

    rows: Dim
    columns: Dim

    def shape(self) -> TensorType:
        check_sizes([self.rows], "rows")
        check_sizes([self.columns], "columns")
        return tensor(DType.BOOL, self.rows, self.columns)

    def forward(self, xp: Module) -> Array:
        rows, columns = int(self.rows), int(self.columns)
        return xp.arange(columns) <= xp.arange(columns - rows, columns)[:, None]

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(())

    def on_chunk(self, time: TimeAxis, y: TensorType, positions: TimeSlice, x: InputMap) -> Op:
        """The rows of the new positions, and the columns of all."""
        over_time = time.is_axis(self.rows) and time.is_axis(self.columns)
        if not over_time or positions[1] is not Positions.ALL:
            raise UnsupportedError("a causal mask needs the positions as both its rows and its columns")
        return CausalMask(*time.sizes(y.shape, positions))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(dim(4), dim(4)))
        yield example(cls(dim(2), dim(5)))
        yield example(cls(dim(5), dim(2)))
        yield example(cls(dim(0), dim(3)))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("at least 0", cls(dim(-1), dim(3)))
        yield bad("at least 0", cls(dim(3), dim(-1)))
