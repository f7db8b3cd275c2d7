"""Comparison and logic, with broadcasting, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, bad, example, operator
from netdsl.ops.contract.rules import broadcast, need_bool, same_dtype
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.kinds import Binary, Unary
from netdsl.ops.numerics.functions import where
from netdsl.types import DType, TensorType, tensor


@immutable
class _Comparison(Binary):
    """Base of comparisons of operands of one element type, or of two integer types."""

    result = DType.BOOL
    no_gradient = "returns booleans"

    def _agree(self, a: TensorType, b: TensorType) -> None:
        if not (a.dtype.is_int and b.dtype.is_int):
            same_dtype(a, b)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls(), draw_ints(6, 5, low=0, high=3), draw_ints(5, low=0, high=3))
        yield example(cls(), draw_ints(6, 5, high=3), draw_ints(5, high=3, dtype="i32"))


@immutable
class _Equality(_Comparison):
    """A comparison that booleans support too."""

    takes = "any"

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        yield example(cls(), draw_bools(6, 5), draw_bools(5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("3 on the left and 4 on the right", cls(), tensor("bool", 3), tensor("bool", 4))
        yield bad("f32 and bool", cls(), tensor("f32", 3), tensor("bool", 3))


@operator("equal", "a", "b")
@immutable
class Equal(_Equality):
    """True where `a` equals `b`; NaN equals nothing.

    Inputs: `a` and `b`, of one element type, broadcast against each other. The result is `bool`.

    Source: ONNX `Equal`.
    """

    function = "equal"


@operator("not_equal", "a", "b")
@immutable
class NotEqual(_Equality):
    """True where `a` differs from `b`; NaN differs from everything.

    Inputs: `a` and `b`, of one element type, broadcast against each other. The result is `bool`.

    Source: ONNX `Not` of `Equal`.
    """

    function = "not_equal"


@operator("less", "a", "b")
@immutable
class Less(_Comparison):
    """True where `a < b`; false where either is NaN.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other. The result is `bool`.

    Source: ONNX `Less`.
    """

    function = "less"


@operator("less_equal", "a", "b")
@immutable
class LessEqual(_Comparison):
    """True where `a <= b`; false where either is NaN.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other. The result is `bool`.

    Source: ONNX `LessOrEqual`.
    """

    function = "less_equal"


@operator("greater", "a", "b")
@immutable
class Greater(_Comparison):
    """True where `a > b`; false where either is NaN.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other. The result is `bool`.

    Source: ONNX `Greater`.
    """

    function = "greater"


@operator("greater_equal", "a", "b")
@immutable
class GreaterEqual(_Comparison):
    """True where `a >= b`; false where either is NaN.

    Inputs: `a` and `b`, numbers of one element type, broadcast against each other. The result is `bool`.

    Source: ONNX `GreaterOrEqual`.
    """

    function = "greater_equal"


@immutable
class _Logic(Binary):
    """Base of logical functions of two booleans."""

    no_gradient = "returns booleans"

    takes = "bool"

    @classmethod
    def examples(cls) -> Iterable[Example]:
        shapes: list[Any] = [((), ()), ((3, 4), (3, 4)), ((2, 3, 4), (3, 1)), ((0, 4), (4,))]
        for a, b in shapes:
            yield example(cls(), draw_bools(*a), draw_bools(*b))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("3 on the left and 4 on the right", cls(), tensor("bool", 3), tensor("bool", 4))
        yield bad("`a` is f32", cls(), tensor("f32", 3), tensor("bool", 3))
        yield bad("`b` is i64", cls(), tensor("bool", 3), tensor("i64", 3))


@operator("logical_and", "a", "b")
@immutable
class LogicalAnd(_Logic):
    """True where both `a` and `b` are true.

    Inputs: `a` and `b`, booleans, broadcast against each other.

    Source: ONNX `And`.
    """

    function = "logical_and"


@operator("logical_or", "a", "b")
@immutable
class LogicalOr(_Logic):
    """True where at least one of `a` and `b` is true.

    Inputs: `a` and `b`, booleans, broadcast against each other.

    Source: ONNX `Or`.
    """

    function = "logical_or"


@operator("logical_xor", "a", "b")
@immutable
class LogicalXor(_Logic):
    """True where exactly one of `a` and `b` is true.

    Inputs: `a` and `b`, booleans, broadcast against each other.

    Source: ONNX `Xor`.
    """

    function = "logical_xor"


@operator("logical_not", "x")
@immutable
class LogicalNot(Unary):
    """True where `x` is false.

    Inputs: `x`, booleans of any shape.

    Source: ONNX `Not`.
    """

    no_gradient = "returns booleans"

    function = "logical_not"
    takes = "bool"

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for shape in [(), (2, 3, 4), (0, 4)]:
            yield example(cls(), draw_bools(*shape))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("true or false", cls(), tensor("f32", 3))


@operator("where", "condition", "a", "b")
@immutable
class Where(Op):
    """`a` where the condition is true, else `b`. The value that is not selected has no influence.

    The gradient of what is not selected is 0 times its slope, and so NaN where the slope is infinite. Select
    inside as well: `where(x > 0.0, sqrt(where(x > 0.0, x, 1.0)), 0.0)`.

    Inputs: `condition`, booleans; `a` and `b`, of one element type; all broadcast together.

    Source: ONNX `Where`.
    """

    category = "plain"

    def shape(self, condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
        need_bool(condition, "condition")
        same_dtype(a, b)
        both = TensorType(a.dtype, broadcast(a, b))
        broadcast(condition, a, ("condition", "a"))
        broadcast(condition, b, ("condition", "b"))
        return both.with_shape(broadcast(condition, both))

    def forward(self, xp: Module, condition: Array, a: Array, b: Array) -> Array:
        return where(xp, condition, a, b)

    def gradient(
        self, dy: Value, y: Value, condition: Value, a: Value, b: Value
    ) -> tuple[None, Value, Value]:
        return None, condition.select(dy, 0).sum_to(a.shape), condition.select(0, dy).sum_to(b.shape)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw_bools(3, 4), draw(3, 4), draw(3, 4))
        yield example(cls(), draw_bools(2, 1, 4), draw(3, 1), draw())
        yield example(cls(), draw_bools(), draw(2, 3), draw(3))
        yield example(cls(), draw_bools(5), draw_ints(5), draw_ints(1))
        yield example(cls(), draw_bools(5), draw_bools(5), draw_bools(5))
        yield example(cls(), draw_bools(0, 4), draw(4), draw(0, 1))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        keep, x = tensor("bool", 3), tensor("f32", 3)
        yield bad("true or false", cls(), x, x, x)
        yield bad("f32 and f64", cls(), keep, x, tensor("f64", 3))
        yield bad("3 on the left and 4 on the right", cls(), keep, x, tensor("f32", 4))
        yield bad("5 on the left and 3 on the right", cls(), tensor("bool", 5), x, tensor("f32", 1))
        yield bad("5 on the left and 3 on the right", cls(), tensor("bool", 5), tensor("f32", 1), x)
