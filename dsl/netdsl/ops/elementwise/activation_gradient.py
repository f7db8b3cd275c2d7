"""What gradients of activations run: `dy` times a derivative, in one pass over memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, bad, draw, example, operator
from netdsl.ops.contract.rules import need_float, same_dtype
from netdsl.ops.numerics.functions import by_blocks, widen
from netdsl.types import TensorType, tensor

if TYPE_CHECKING:
    from netdsl.ops.contract.value import Value
    from netdsl.ops.elementwise.kinds import Activation


@dataclass(frozen=True)
class _Derivative(Op):
    """Base of the derivatives of an activation: `dy` times a function of `at`, elementwise.

    `at` is what `of.derivative` takes: the input of the activation, or its result.
    """

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
        from netdsl.ops.elementwise.activations import Celu, Elu, HardSwish, LeakyRelu, Selu, Softsign
        from netdsl.ops.elementwise.elementary import Erf
        from netdsl.ops.elementwise.smooth_activations import Gelu, Mish, Sigmoid, Silu, Softplus, Tanh

        anywhere: list[Activation] = [LeakyRelu(0.25), Elu(2.5), Celu(2.5), Selu(), HardSwish(), Softsign()]
        anywhere += [Erf(), Gelu(), Gelu("tanh"), Silu(), Mish(), Softplus()]
        results: list[Activation] = [Sigmoid(), Tanh()]
        for op in anywhere:
            yield example(cls(op), draw(3, 5), draw(3, 5, low=-4, high=4))
        for op in results:
            yield example(cls(op), draw(2, 3), draw(2, 3, low=0, high=1))
        yield example(cls(Silu()), draw(0, 4), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        from netdsl.ops.elementwise.smooth_activations import Silu

        yield bad("floating-point", cls(Silu()), tensor("i32", 3), tensor("i32", 3))
        yield bad("f64 and f32", cls(Silu()), tensor("f64", 3), tensor("f32", 3))


@operator("activation_gradient", "dy", "at", internal=True)
@dataclass(frozen=True)
class ActivationGradient(_Derivative):
    """`dy` times the derivative of the activation `of`.

    Inputs: `dy` and `at`, floats of one shape.
    """

    def _factor(self, xp: Module, at: Array) -> Array:
        return self.of.derivative(xp, at)

    def gradient(self, dy: Value, y: Value, inner: Value, at: Value) -> tuple[Value, Value]:
        return dy.apply(self, at), (dy * inner).apply(ActivationSecondGradient(self.of), at)


@operator("activation_second_gradient", "dy", "at", internal=True)
@dataclass(frozen=True)
class ActivationSecondGradient(_Derivative):
    """`dy` times the second derivative of the activation `of`.

    Inputs: `dy` and `at`, floats of one shape.
    """

    no_gradient = "is a second derivative: there are no third ones of activations"

    def _factor(self, xp: Module, at: Array) -> Array:
        return self.of.second_derivative(xp, at)
