"""The gradients of softmax and its logarithm, computed from their results."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axes,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, normal_axes, same_dtype
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.elementary import Exp
from netdsl.ops.numerics.functions import by_rows, dots, widen
from netdsl.types import TensorType, tensor


@immutable
class _OfResult(Op):
    """Base of both: the axes that were normalised together."""

    over: Axes = (-1,)

    def shape(self, dy: TensorType, y: TensorType) -> TensorType:
        need_float(y, "y")
        same_dtype(dy, y, ("dy", "y"))
        normal_axes(self.over, y.rank)
        if dy.shape != y.shape:
            raise OpError(f"needs `dy` shaped as `y`, but got {dy} and {y}", at=["dy", "y"])
        return y

    def forward(self, xp: Module, dy: Array, y: Array) -> Array:
        def block(axes: tuple[int, ...], dy: Array, y: Array) -> Array:
            return self._rows(xp, axes, widen(xp, dy), widen(xp, y)).astype(dy.dtype, copy=False)

        return by_rows(xp, block, normal_axes(self.over, y.ndim), dy, y)

    def _rows(self, xp: Module, axes: tuple[int, ...], dy: Array, y: Array) -> Array:
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Iterable[Example]:
        low, high = cls._range()
        yield example(cls(), draw(3, 5), draw(3, 5, low=low, high=high))
        yield example(cls((1,)), draw(2, 3, 4), draw(2, 3, 4, low=low, high=high))
        yield example(cls((1, 2)), draw(2, 3, 4), draw(2, 3, 4, low=low, high=high))
        yield example(cls(), draw(0, 4), draw(0, 4))
        yield example(cls(), draw(4, 0), draw(4, 0))

    @classmethod
    def _range(cls) -> tuple[float, float]:
        """The range of the operator's results."""
        return 0, 1

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i32", 3), tensor("i32", 3))
        yield bad("f32 and f64", cls(), tensor("f32", 3), tensor("f64", 3))
        yield bad("shaped as `y`", cls(), tensor("f32", 4), tensor("f32", 3))
        yield bad("axis 2", cls((2,)), tensor("f32", 3, 4), tensor("f32", 3, 4))


@operator("softmax_gradient", "dy", "y", internal=True)
@immutable
class SoftmaxGradient(_OfResult):
    """`y * (dy - sum(dy * y))`, the sum over the axes `over`.

    Args:
        over: The axes that `softmax` normalised together.

    Inputs: `dy` and `y`, the result of `softmax`, floats of one shape.

    Source: Bridle 1990.
    """

    category = "plain"

    def _rows(self, xp: Module, axes: tuple[int, ...], dy: Array, y: Array) -> Array:
        if axes == (1,) and dy.ndim == 2:
            flow = dy - dots(xp, dy, y)[:, None]
        else:
            flow = dy - xp.sum(dy * y, axis=axes, keepdims=True)
        flow *= y
        return flow

    def gradient(self, dy: Value, y: Value, inner: Value, of: Value) -> tuple[Value, Value]:
        axes = normal_axes(self.over, of.rank)
        dof = dy * (inner - (inner * of).sum(axes, keepdims=True)) - inner * (dy * of).sum(
            axes, keepdims=True
        )
        return dy.apply(self, of), dof


@operator("log_softmax_gradient", "dy", "y", internal=True)
@immutable
class LogSoftmaxGradient(_OfResult):
    """`dy - exp(y) * sum(dy)`, the sum over the axes `over`.

    Args:
        over: The axes that `log_softmax` normalised together.

    Inputs: `dy` and `y`, the result of `log_softmax`, floats of one shape.

    Source: Bridle 1990.
    """

    category = "plain"

    def _rows(self, xp: Module, axes: tuple[int, ...], dy: Array, y: Array) -> Array:
        flow = xp.asarray(xp.exp(y))
        flow *= xp.sum(dy, axis=axes, keepdims=True)
        return xp.subtract(dy, flow, out=flow)

    def gradient(self, dy: Value, y: Value, inner: Value, of: Value) -> tuple[Value, Value]:
        axes, weights = normal_axes(self.over, of.rank), of.apply(Exp())
        dinner = dy - (dy * weights).sum(axes, keepdims=True)
        return dinner, -dy * weights * inner.sum(axes, keepdims=True)

    @classmethod
    def _range(cls) -> tuple[float, float]:
        return -3, 0
