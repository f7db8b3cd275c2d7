"""Base classes of elementwise operators, and the gradient that all activations share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    REGISTRY,
    Array,
    BadExample,
    Category,
    Example,
    Module,
    Op,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import broadcast, need_bool, need_float, need_number, same_dtype
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, elementwise_map
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import by_blocks, widen
from netdsl.types import DType, TensorType, tensor

_CHECKS = {"float": need_float, "number": need_number, "bool": need_bool}


def check_elements(takes: str, x: TensorType, name: str = "x") -> None:
    """Raise `OpError` if the elements of `x` are not of the kind `takes`; "any" takes all."""
    if takes != "any":
        _CHECKS[takes](x, name)


@immutable
class Unary(Op):
    """One array function applied to every element; the element type is kept unless `result` is set."""

    category = "plain"

    function: ClassVar[str]
    takes: ClassVar[str] = "float"
    result: ClassVar[DType | None] = None
    domain: ClassVar[tuple[float, float]] = (-4.0, 4.0)

    def shape(self, x: TensorType) -> TensorType:
        check_elements(self.takes, x)
        return x.with_dtype(self.result or x.dtype)

    def forward(self, xp: Module, x: Array) -> Array:
        return xp.asarray(getattr(xp, self.function)(x))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        low, high = cls.domain
        for shape in [(), (7,), (2, 3, 4), (0, 4)]:
            yield example(cls(), draw(*shape, low=low, high=high))
        if cls.takes == "number":
            yield example(cls(), draw_ints(3, 4, low=-5, high=5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        if cls.takes == "number":
            yield bad("needs numbers", cls(), tensor("bool", 3))
        else:
            yield bad("floating-point", cls(), tensor("i32", 3))


@immutable
class Binary(Op):
    """One array function applied to two operands of one element type, broadcast against each other."""

    category = "plain"

    function: ClassVar[str]
    takes: ClassVar[str] = "number"
    result: ClassVar[DType | None] = None
    right: ClassVar[tuple[float, float]] = (-4.0, 4.0)

    def shape(self, a: TensorType, b: TensorType) -> TensorType:
        check_elements(self.takes, a, "a")
        check_elements(self.takes, b, "b")
        self._agree(a, b)
        return TensorType(self.result or a.dtype, broadcast(a, b))

    def _agree(self, a: TensorType, b: TensorType) -> None:
        """Raise `OpError` if the element types of the operands are incompatible."""
        same_dtype(a, b)

    def forward(self, xp: Module, a: Array, b: Array) -> Array:
        return xp.asarray(getattr(xp, self.function)(a, b))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        low, high = cls.right
        shapes: list[Any] = [
            ((), ()),
            ((3, 4), (3, 4)),
            ((2, 3, 4), (3, 1)),
            ((4,), (2, 1, 4)),
            ((0, 4), (4,)),
        ]
        for a, b in shapes:
            yield example(cls(), draw(*a, low=0.1, high=3.0), draw(*b, low=low, high=high))
        if cls.takes == "number":
            yield example(cls(), draw_ints(5, 4, low=-6, high=6), draw_ints(4, low=1, high=5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        f32 = tensor("f32", 3, 4)
        yield bad("3 on the left and 4 on the right", cls(), tensor("f32", 3), f32)
        yield bad("f32 and f64", cls(), f32, tensor("f64", 3, 4))
        words = "needs numbers" if cls.takes == "number" else "floating-point"
        yield bad(f"{words}, but `b`" if cls.takes == "number" else words, cls(), f32, tensor("bool", 4))


@immutable
class Activation(Op):
    """An elementwise float function in several steps, computed in f32 at least and in cached blocks."""

    category: ClassVar[Category] = "activation"

    derivative_of_result: ClassVar[bool] = False
    """Whether `derivative` takes the result instead of `x`."""

    def shape(self, x: TensorType) -> TensorType:
        need_float(x)
        self.check()
        return x

    def check(self) -> None:
        """Raise `OpError` for invalid attribute values."""

    def forward(self, xp: Module, x: Array) -> Array:
        return by_blocks(xp, lambda part: self.apply(xp, widen(xp, part)).astype(x.dtype, copy=False), x)

    def apply(self, xp: Module, x: Array) -> Array:
        """The function on one block, of f32 or f64."""
        raise NotImplementedError

    def derivative(self, xp: Module, x: Array) -> Array:
        """The derivative on one block."""
        raise NotImplementedError

    def second_derivative(self, xp: Module, x: Array) -> Array:
        """The derivative of `derivative`, on one block; 0 for a piecewise linear function."""
        return xp.zeros_like(x)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(ActivationGradient(self), y if self.derivative_of_result else x)

    @classmethod
    def variants(cls) -> Iterable[Self]:
        """The operator with each attribute exercised."""
        yield cls()

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return elementwise_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for op in cls.variants():
            yield example(op, draw(3, 5, low=-8, high=8))
        yield example(cls(), draw())
        yield example(cls(), draw(2, 3, 1, 4, low=-100, high=100))
        yield example(cls(), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i32", 3))


@immutable
class Gated(Activation):
    """`x * gate(x)`, for a gate that is 0 for large negative inputs."""

    def apply(self, xp: Module, x: Array) -> Array:
        x = xp.maximum(x, x.dtype.type(-1e4))  # below, the gate is 0, and -inf * 0 would be NaN
        return x * self.gate(xp, x)

    def gate(self, xp: Module, x: Array) -> Array:
        """The factor between 0 and 1."""
        raise NotImplementedError


@immutable
class _Derivative(Op):
    """Base of the derivatives of an activation: `dy` times a function of `at`, elementwise.

    `at` is what `of.derivative` takes: the input of the activation, or its result.
    """

    category = "plain"

    of: Activation

    def shape(self, dy: TensorType, at: TensorType) -> TensorType:
        need_float(at, "at")
        same_dtype(dy, at, ("dy", "at"))
        return at

    def forward(self, xp: Module, dy: Array, at: Array) -> Array:
        def block(dy: Array, at: Array) -> Array:
            return (widen(xp, dy) * self._factor(xp, widen(xp, at))).astype(dy.dtype, copy=False)

        return by_blocks(xp, block, xp.broadcast_to(dy, at.shape), at)

    def _factor(self, xp: Module, at: Array) -> Array:
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Iterable[Example]:
        smooth = (
            c
            for c in REGISTRY.values()
            if issubclass(c, Activation) and c.derivative is not Activation.derivative
        )
        for op in (op for activation in smooth for op in activation.variants()):
            low, high = (0.0, 1.0) if op.derivative_of_result else (-4.0, 4.0)
            yield example(cls(op), draw(3, 5), draw(3, 5, low=low, high=high))
            yield example(cls(op), draw(0, 4), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        some = next(c for c in REGISTRY.values() if issubclass(c, Activation))
        yield bad("floating-point", cls(some()), tensor("i32", 3), tensor("i32", 3))
        yield bad("f64 and f32", cls(some()), tensor("f64", 3), tensor("f32", 3))


@operator("activation_gradient", "dy", "at", internal=True)
@immutable
class ActivationGradient(_Derivative):
    """`dy` times the derivative of the activation `of`.

    Inputs: `dy` and `at`, floats of one shape.
    """

    def _factor(self, xp: Module, at: Array) -> Array:
        return self.of.derivative(xp, at)

    def gradient(self, dy: Value, y: Value, inner: Value, at: Value) -> tuple[Value, Value]:
        return dy.apply(self, at), (dy * inner).apply(ActivationSecondGradient(self.of), at)


@operator("activation_second_gradient", "dy", "at", internal=True)
@immutable
class ActivationSecondGradient(_Derivative):
    """`dy` times the second derivative of the activation `of`.

    Inputs: `dy` and `at`, floats of one shape.
    """

    no_gradient = "is a second derivative: third derivatives of activations are not defined"

    def _factor(self, xp: Module, at: Array) -> Array:
        return self.of.second_derivative(xp, at)
