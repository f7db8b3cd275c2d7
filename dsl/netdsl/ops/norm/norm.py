"""Normalisation by mean and standard deviation, with given statistics or over axes of each sample."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.dims import DimLike, symbol
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
from netdsl.ops.contract.rules import need_float, need_rank, normal_axes, same_dtype
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.norm.norm_gradient import LayerNormGradient
from netdsl.ops.numerics.functions import widen
from netdsl.ops.numerics.moments import AxisSet, axis_set, centred
from netdsl.types import TensorType, shape_text, tensor


def check_eps(eps: float) -> None:
    if not eps > 0:
        raise OpError(f"needs `eps` above 0, but got {eps}", attribute="eps")


def check_affine(x: TensorType, axes: tuple[int, ...], **parameters: TensorType | None) -> None:
    """Raise `OpError` if a parameter does not have the element type of `x` and the shape of its `axes`."""
    wanted = tuple(x.shape[axis] for axis in axes)
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        same_dtype(x, parameter, ("x", name))
        if parameter.shape != wanted:
            raise OpError(
                f"needs `{name}` of shape {shape_text(wanted)}, like axes {list(axes)} of `x`, "
                f"but got {shape_text(parameter.shape)}",
                at=[name, *(("x", axis) for axis in axes)],
            )


def along(parameter: Array, axes: tuple[int, ...], x: Array) -> Array:
    """`parameter`, which has one axis for each of `axes`, shaped to broadcast to `x`."""
    return parameter.reshape([n if axis in axes else 1 for axis, n in enumerate(x.shape)])


def affine(xp: Module, y: Array, axes: tuple[int, ...], weight: Array | None, bias: Array | None) -> Array:
    """`y * weight + bias`, the parameters along `axes`."""
    if weight is not None:
        y = y * along(weight, axes, y)
    if bias is not None:
        y = y + along(bias, axes, y)
    return y


def standardised(xp: Module, x: Array, axes: AxisSet, eps: float) -> Array:
    """`(x - mean) / sqrt(variance + eps)` over `axes`, in f32 at least."""
    if x.size == 0:
        return widen(xp, x)
    deviations = centred(xp, x, axes)
    variance = xp.mean(xp.square(deviations), axis=axes, keepdims=True)
    deviations /= xp.sqrt(variance + eps)
    return deviations


def gradient_over(
    axes: tuple[int, ...],
    eps: float,
    dy: Value,
    x: Value,
    weight: Value | None,
    *,
    bias: Value | None = None,
    centred: bool = True,
) -> tuple[Value | None, ...]:
    """The gradients of `x`, `weight` and `bias` of a normalisation over `axes`."""
    order = (*(axis for axis in range(x.rank) if axis not in axes), *axes)
    back = tuple(order.index(axis) for axis in range(x.rank))
    op = LayerNormGradient(len(axes), eps, centred, bias is not None)
    dx, *others = dy.transpose(order).apply_all(op, x.transpose(order), weight)
    dweight = None if weight is None else others[0]
    return dx.transpose(back), dweight, None if bias is None else others[-1]


@operator("batch_norm", "x", "mean", "var", "weight?", "bias?")
@immutable
class BatchNorm(Op):
    """`(x - mean) / sqrt(var + eps) * weight + bias` per channel, with given statistics.

    Args:
        eps: Added to the variance, above 0.

    Inputs: `x`, floats `[N, C, ...]`; `mean`, `var`, `weight` and `bias`, `[C]` each; `weight` is
    1 and `bias` 0 by default. f16 is computed in f32.

    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015, inference; ONNX BatchNormalization.
    """

    category = "norm"

    eps: float = 1e-5

    def shape(
        self,
        x: TensorType,
        mean: TensorType,
        var: TensorType,
        weight: TensorType | None = None,
        bias: TensorType | None = None,
    ) -> TensorType:
        need_float(x)
        need_rank(x, 2, layout="[N, C, ...]")
        check_eps(self.eps)
        check_affine(x, (1,), mean=mean, var=var, weight=weight, bias=bias)
        return x

    def forward(
        self,
        xp: Module,
        x: Array,
        mean: Array,
        var: Array,
        weight: Array | None = None,
        bias: Array | None = None,
    ) -> Array:
        scale = 1 / xp.sqrt(widen(xp, var) + self.eps)
        if weight is not None:
            scale = scale * weight
        y = (widen(xp, x) - along(mean, (1,), x)) * along(scale, (1,), x)
        return affine(xp, y, (1,), None, bias).astype(x.dtype, copy=False)

    def gradient(
        self, dy: Value, y: Value, x: Value, mean: Value, var: Value, *affine: Value | None
    ) -> tuple[Value | None, ...]:
        weight, bias = affine
        kind, others = x.dtype, (0, *range(2, x.rank))
        channels: list[DimLike] = [x.shape[1], *[1] * (x.rank - 2)]
        flow, gain = dy.widened(), None if weight is None else weight.widened()
        deviation = (var.widened() + self.eps) ** -0.5
        scale = deviation if gain is None else deviation * gain
        total = flow.sum(others)
        product = (flow * (x.widened() - mean.widened().reshape(channels))).sum(others)
        return (
            (flow * scale.reshape(channels)).cast(kind),
            (-total * scale).cast(kind),
            (product * scale * deviation * deviation * -0.5).cast(kind),
            None if weight is None else (product * deviation).cast(kind),
            None if bias is None else total.cast(kind),
        )

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        mean, var = draw(3), draw(3, low=0.1, high=2)
        yield example(cls(), draw(2, 3, 4, 5), mean, var, draw(3), draw(3))
        yield example(cls(0.1), draw(2, 3, 4), mean, var, draw(3), draw(3))
        yield example(cls(), draw(4, 3), mean, var)
        yield example(cls(), draw(2, 3, 1, 2, 2), mean, var, None, draw(3))
        yield example(cls(), draw(2, 3, 4), mean, var, draw(3), None)
        yield example(cls(), draw(0, 3, 4), mean, var, draw(3), draw(3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, c = tensor("f32", 2, 3, 4), tensor("f32", 3)
        yield bad("floating-point", cls(), tensor("i32", 2, 3), c, c)
        yield bad("[N, C, ...]", cls(), tensor("f32", 3), c, c)
        yield bad("`mean` of shape [3]", cls(), x, tensor("f32", 4), c)
        yield bad("`var` of shape [3]", cls(), x, c, tensor("f32", 1, 3))
        yield bad("`weight` of shape [3]", cls(), x, c, c, tensor("f32", 2))
        yield bad("got [B]", cls(), x, c, c, c, tensor("f32", symbol("B")))
        yield bad("one element type", cls(), x, c, c, c, tensor("f64", 3))
        yield bad("`eps` above 0", cls(0.0), x, c, c)


@operator("layer_norm", "x", "weight?", "bias?")
@immutable
class LayerNorm(Op):
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, with the mean and variance over `over`.

    Args:
        over: The axes to normalise together; the last one by default.
        eps: Added to the variance, above 0.

    Inputs: `x`, floats of any shape; `weight` and `bias`, shaped as the axes `over` of `x` in order,
    1 and 0 by default. f16 is computed in f32.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016; ONNX LayerNormalization.
    """

    category = "norm"

    over: Axes = (-1,)
    eps: float = 1e-5

    def shape(
        self, x: TensorType, weight: TensorType | None = None, bias: TensorType | None = None
    ) -> TensorType:
        need_float(x)
        check_eps(self.eps)
        check_affine(x, normal_axes(self.over, x.rank), weight=weight, bias=bias)
        return x

    def forward(self, xp: Module, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
        axes = normal_axes(self.over, x.ndim)
        y = standardised(xp, x, axis_set(axes, x.ndim), self.eps)
        return affine(xp, y, axes, weight, bias).astype(x.dtype, copy=False)

    def gradient(
        self, dy: Value, y: Value, x: Value, weight: Value | None, bias: Value | None
    ) -> tuple[Value | None, ...]:
        axes = normal_axes(self.over, x.rank)
        return gradient_over(axes, self.eps, dy, x, weight, bias=bias)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *normal_axes(self.over, y.rank))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 8), draw(8), draw(8))
        yield example(cls((1, 2)), draw(2, 3, 4), draw(3, 4), draw(3, 4))
        yield example(cls((0, -1), 0.1), draw(2, 3, 4), draw(2, 4), None)
        yield example(cls(()), draw(3, 4))
        yield example(cls((1,)), draw(2, 3, 4), None, draw(3))
        yield example(cls(), draw(0, 4), draw(4), draw(4))
        yield example(cls(), draw(4, 0), draw(0), draw(0))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad("floating-point", cls(), tensor("i32", 2, 3))
        yield bad("axis 3", cls((3,)), x)
        yield bad("twice", cls((0, -3)), x)
        yield bad("`weight` of shape [4]", cls(), x, tensor("f32", 3))
        yield bad("`bias` of shape [3, 4]", cls((1, 2)), x, None, tensor("f32", 4))
        yield bad("one element type", cls(), x, tensor("f16", 4))
        yield bad("`eps` above 0", cls(eps=-1.0), x)
