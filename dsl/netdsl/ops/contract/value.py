"""Symbolic values, in which the formulas of gradients are written.

A `Value` is a tensor of a computation under construction: it has a type, but no array. Arithmetic
on values, and `apply`, add operators to the computation (its `Tape`), so that a gradient is a formula:

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy * (1 - y * y)

A tape may be a graph or the program of a scan's cell; formulas are the same for both. Operators are looked
up by name, since they import this module for their own gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, Protocol, Union

from netdsl.dims import Dim, DimLike, dim, product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op, op_named
from netdsl.types import DType, TensorType

Operand = Union["Value", float, int, Dim]
"""A value, or a number that becomes a constant of the other operand's element type."""


class Tape(Protocol):
    """A computation under construction."""

    def emit(self, op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType]) -> Sequence[Any]:
        """Add an operator; return a reference to each of its outputs."""
        ...


@immutable
class Value:
    """A tensor of the computation: its type, and its reference on the tape."""

    tape: Tape = field(repr=False)
    ref: Any
    type: TensorType

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.type.shape

    @property
    def rank(self) -> int:
        return self.type.rank

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    # -- operators --------------------------------------------------------------------------------

    def apply(self, op: Op, *others: Value | None) -> Value:
        """An operator of one output, with this value as its first input."""
        (result,) = self.apply_all(op, *others)
        return result

    def apply_all(self, op: Op, *others: Value | None) -> tuple[Value, ...]:
        """An operator of any number of outputs, with this value as its first input."""
        return emitted(self.tape, op, (self, *others))

    def make(self, op: Op) -> Value:
        """An operator without inputs, on this value's tape."""
        (result,) = emitted(self.tape, op, ())
        return result

    def select(self, a: Operand, b: Operand) -> Value:
        """`a` where these booleans are true, else `b`; at least one of the two is a value."""
        like = a if isinstance(a, Value) else b
        assert isinstance(like, Value)
        return self.apply(op_named("where"), like.lift(a), like.lift(b))

    # -- arithmetic, with broadcasting ------------------------------------------------------------

    def __add__(self, other: Operand) -> Value:
        return self.apply(op_named("add"), self.lift(other))

    def __radd__(self, other: Operand) -> Value:
        return self.lift(other).apply(op_named("add"), self)

    def __sub__(self, other: Operand) -> Value:
        return self.apply(op_named("subtract"), self.lift(other))

    def __rsub__(self, other: Operand) -> Value:
        return self.lift(other).apply(op_named("subtract"), self)

    def __mul__(self, other: Operand) -> Value:
        return self.apply(op_named("multiply"), self.lift(other))

    def __rmul__(self, other: Operand) -> Value:
        return self.lift(other).apply(op_named("multiply"), self)

    def __truediv__(self, other: Operand) -> Value:
        return self.apply(op_named("divide"), self.lift(other))

    def __rtruediv__(self, other: Operand) -> Value:
        return self.lift(other).apply(op_named("divide"), self)

    def __pow__(self, other: Operand) -> Value:
        return self.apply(op_named("power"), self.lift(other))

    def __neg__(self) -> Value:
        return self.apply(op_named("negate"))

    # -- comparisons, which return booleans -------------------------------------------------------

    def __lt__(self, other: Operand) -> Value:
        return self.apply(op_named("less"), self.lift(other))

    def __le__(self, other: Operand) -> Value:
        return self.apply(op_named("less_equal"), self.lift(other))

    def __gt__(self, other: Operand) -> Value:
        return self.apply(op_named("greater"), self.lift(other))

    def __ge__(self, other: Operand) -> Value:
        return self.apply(op_named("greater_equal"), self.lift(other))

    def equals(self, other: Operand) -> Value:
        return self.apply(op_named("equal"), self.lift(other))

    # -- shapes and element types -----------------------------------------------------------------

    def sum(self, over: Sequence[int], keepdims: bool = False) -> Value:
        """The sum over these axes; unlike the operator's, an empty list sums nothing."""
        return self.apply(op_named("sum", tuple(over), keepdims)) if over else self

    def reshape(self, shape: Sequence[DimLike]) -> Value:
        sizes = tuple(map(dim, shape))
        return self if sizes == self.shape else self.apply(op_named("reshape", sizes))

    def transpose(self, order: Sequence[int]) -> Value:
        return (
            self if list(order) == list(range(self.rank)) else self.apply(op_named("transpose", tuple(order)))
        )

    def expand(self, shape: Sequence[DimLike]) -> Value:
        sizes = tuple(map(dim, shape))
        return self if sizes == self.shape else self.apply(op_named("expand", sizes))

    def cast(self, dtype: DType) -> Value:
        return self if dtype is self.dtype else self.apply(op_named("cast", dtype))

    def widened(self) -> Value:
        """This value in f32 if its elements are 16-bit floats, which cannot represent large counts."""
        return self.cast(DType.F32) if self.dtype.itemsize == 2 else self

    def unfold(self, axes: Sequence[int], like: Value) -> Value:
        """Undo a reduction of `like` over `axes` without `keepdims`: the axes return with size 1."""
        return self.reshape([1 if axis in axes else size for axis, size in enumerate(like.shape)])

    def sum_to(self, shape: Sequence[Dim]) -> Value:
        """Undo broadcasting from `shape`: the sum over the broadcast axes."""
        extra = self.rank - len(shape)
        repeated = [
            axis
            for axis, size in enumerate(self.shape)
            if axis < extra or (shape[axis - extra] == 1 and size != 1)
        ]
        return self.sum(repeated).reshape(shape) if repeated else self

    # -- constants ---------------------------------------------------------------------------------

    def lift(self, number: Operand) -> Value:
        """A number as a scalar of this value's element type; a value unchanged."""
        return number if isinstance(number, Value) else self.constant(number)

    def constant(
        self, number: float | int | Dim, shape: Sequence[DimLike] = (), dtype: DType | None = None
    ) -> Value:
        """A constant on this value's tape, of its element type by default."""
        kind = dtype or self.dtype
        if isinstance(number, Dim) and kind.is_float:
            return self.constant(number, shape, DType.I64).cast(kind)
        return self.make(op_named("constant", number, tuple(map(dim, shape)), kind))

    def zeros(self) -> Value:
        """Zeros of this value's type."""
        return self.constant(0, self.shape)

    def count(self, axes: Sequence[int]) -> Value:
        """How many elements lie along these axes, as a scalar of this value's element type."""
        return self.constant(product(self.shape[axis] for axis in axes))


def emitted(tape: Tape, op: Op, inputs: Sequence[Value | None]) -> tuple[Value, ...]:
    """The outputs of an operator on a tape."""
    result = op.shape(*(None if value is None else value.type for value in inputs))
    types = result if isinstance(result, tuple) else (result,)
    refs = tape.emit(op, inputs, types)
    return tuple(Value(tape, ref, type_) for ref, type_ in zip(refs, types, strict=True))
