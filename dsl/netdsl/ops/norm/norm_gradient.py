"""Gradients of normalisations, in one pass over cached rows.

With `z = (x - mean) / deviation` and `g = dy * weight`, the gradient with respect to `x` is
`(g - mean(g) - z * mean(g * z)) / deviation` (Ba, Kiros and Hinton 2016; Ioffe and Szegedy 2015, section 3).
Second derivatives differentiate the same formula, in parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from netdsl.dims import Dim, dim, product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import need_float, same_dtype, share
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import dots, row_blocks, widen
from netdsl.ops.reduce.reduce import Mean
from netdsl.types import TensorType, tensor


def rows_gradient(
    xp: Module, x: Array, flow: Array, eps: float, *, centred: bool = True
) -> tuple[Array, Array]:
    """The gradient of standardised rows, and the standardised rows, in f32 at least.

    Args:
        x: `[R, F]`; each row has its own mean and deviation.
        flow: The gradient with respect to the standardised rows.
        eps: Added to the variance.
        centred: Whether the mean is subtracted; otherwise rows are only scaled by their root mean square.
    """
    size = x.shape[1]
    z = widen(xp, x)
    if centred:
        z = z - xp.mean(z, axis=1, keepdims=True)
        z -= xp.mean(z, axis=1, keepdims=True)  # the rounding error of the mean
    scale = (1 / xp.sqrt(dots(xp, z, z) / size + eps))[:, None]
    z = z * scale
    dx = z * (dots(xp, flow, z) / -size)[:, None]
    dx += flow
    if centred:
        dx -= xp.mean(flow, axis=1, keepdims=True)
    dx *= scale
    return dx, z


def standardised_in_parts(x: Value, axes: tuple[int, ...], eps: float, centred: bool) -> tuple[Value, Value]:
    """The standardised `x` and its scale factor, as simple operators."""
    deviations = x - x.apply(Mean(axes, keepdims=True)) if centred else x
    scale = ((deviations * deviations).apply(Mean(axes, keepdims=True)) + eps) ** -0.5
    return deviations * scale, scale


def flow_in_parts(flow: Value, z: Value, scale: Value, axes: tuple[int, ...], centred: bool) -> Value:
    """The gradient with respect to the `x` of `standardised_in_parts`, as simple operators."""
    rest = flow - z * (flow * z).apply(Mean(axes, keepdims=True))
    return (rest - flow.apply(Mean(axes, keepdims=True)) if centred else rest) * scale


def _check(dy: TensorType, x: TensorType) -> None:
    need_float(x)
    same_dtype(dy, x, ("dy", "x"))
    if dy.shape != x.shape:
        raise OpError(f"needs `dy` shaped as `x`, but got {dy} and {x}", at=["dy", "x"])


@operator("layer_norm_gradient", "dy", "x", "weight?", internal=True)
@immutable
class LayerNormGradient(Op):
    """The gradients of a normalisation over the last axes: of `x`, then of any weight and bias.

    Args:
        last: The number of last axes that are normalised together.
        eps: Added to the variance.
        centred: Whether the mean is subtracted, as in `layer_norm` but not in `rms_norm`.
        bias: Whether there is a bias.

    Inputs: `dy` and `x`, floats of one shape; `weight`, shaped as the last axes of `x`.
    """

    category = "plain"

    last: int
    eps: float
    centred: bool = True
    bias: bool = False

    def shape(
        self, dy: TensorType, x: TensorType, weight: TensorType | None = None
    ) -> tuple[TensorType, ...]:
        _check(dy, x)
        features = x.with_shape(x.shape[x.rank - self.last :])
        if weight is not None and weight != features:
            raise OpError(f"needs a weight {features}, but got {weight}", at=["weight"])
        return (x, *[features] * (self.bias + (weight is not None)))

    def forward(self, xp: Module, dy: Array, x: Array, weight: Array | None = None) -> tuple[Array, ...]:
        features = x.shape[x.ndim - self.last :]
        rows_x, rows_dy = (a.reshape(prod(x.shape[: x.ndim - self.last]), prod(features)) for a in (x, dy))
        scale = None if weight is None else widen(xp, weight).reshape(-1)
        kind = xp.float32 if x.dtype.itemsize == 2 else x.dtype
        dx = xp.empty(rows_x.shape, dtype=x.dtype)
        dweight, dbias = xp.zeros(rows_x.shape[1], dtype=kind), xp.zeros(rows_x.shape[1], dtype=kind)
        whole = row_blocks(xp, len(dx), rows_x.shape[1] * dweight.itemsize) if x.size else ()
        for rows in whole:
            part = widen(xp, rows_dy[rows])
            flow = part if scale is None else part * scale
            dx[rows], z = rows_gradient(xp, rows_x[rows], flow, self.eps, centred=self.centred)
            if scale is not None:
                z *= part
                dweight += xp.sum(z, axis=0)
            if self.bias:
                dbias += xp.sum(part, axis=0)
        others = [dweight] * (scale is not None) + [dbias] * self.bias
        return (dx.reshape(x.shape), *(g.reshape(features).astype(x.dtype, copy=False) for g in others))

    def in_parts(self, dy: Value, x: Value, weight: Value | None = None) -> tuple[Value, ...]:
        axes, before = tuple(range(x.rank - self.last, x.rank)), tuple(range(x.rank - self.last))
        flow, kind = dy.widened(), x.dtype
        z, scale = standardised_in_parts(x.widened(), axes, self.eps, self.centred)
        through = flow if weight is None else flow * weight.widened()
        dx = flow_in_parts(through, z, scale, axes, self.centred).cast(kind)
        dweight = () if weight is None else ((flow * z).sum(before).cast(kind),)
        return (dx, *dweight, *((flow.sum(before).cast(kind),) if self.bias else ()))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(1, 1e-5, bias=True), draw(3, 8), draw(3, 8), draw(8))
        yield example(cls(2, 0.1), draw(2, 3, 4), draw(2, 3, 4), draw(3, 4))
        yield example(cls(1, 1e-5), draw(2, 3, 4), draw(2, 3, 4))
        yield example(cls(1, 1e-5, bias=True), draw(2, 3, 4), draw(2, 3, 4))
        yield example(cls(2, 1e-6, centred=False), draw(3, 4), draw(3, 4), draw(3, 4))
        yield example(cls(1, 1e-5), draw(0, 4), draw(0, 4), draw(4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3)
        yield bad("floating-point", cls(1, 1e-5), tensor("i32", 2, 3), tensor("i32", 2, 3))
        yield bad("shaped as `x`", cls(1, 1e-5), tensor("f32", 2, 4), x)
        yield bad("weight f32[3], but got f32[2]", cls(1, 1e-5), x, x, tensor("f32", 2))


@operator("group_norm_gradient", "dy", "x", "weight?", internal=True)
@immutable
class GroupNormGradient(Op):
    """The gradients of a normalisation of groups of channels: of `x`, then of any weight and bias.

    Args:
        groups: The number of groups of equally many neighbouring channels.
        eps: Added to the variance.
        bias: Whether there is a bias.

    Inputs: `dy` and `x`, floats `[N, C, ...]` of one shape; `weight`, `[C]`.
    """

    category = "plain"

    groups: Dim
    eps: float
    bias: bool = False

    def shape(
        self, dy: TensorType, x: TensorType, weight: TensorType | None = None
    ) -> tuple[TensorType, ...]:
        _check(dy, x)
        if self.groups != 0 and share(x.shape[1], self.groups) is None:
            raise OpError(
                f"cannot divide {x.shape[1]} channels into {self.groups} equal groups", at=[("x", 1)]
            )
        channels = x.with_shape(x.shape[1:2])
        if weight is not None and weight != channels:
            raise OpError(f"needs a weight {channels}, but got {weight}", at=["weight"])
        return (x, *[channels] * (self.bias + (weight is not None)))

    def forward(self, xp: Module, dy: Array, x: Array, weight: Array | None = None) -> tuple[Array, ...]:
        batch, channels, groups = x.shape[0], x.shape[1], int(self.groups)
        inner, space = channels // max(groups, 1), prod(x.shape[2:])
        rows_x, rows_dy = (a.reshape(batch * groups, inner, space) for a in (x, dy))
        kind = xp.float32 if x.dtype.itemsize == 2 else x.dtype
        dx = xp.empty(rows_x.shape, dtype=x.dtype)
        dweight = xp.zeros((batch * groups, inner), dtype=kind)
        dbias = xp.zeros((batch * groups, inner), dtype=kind)
        whole = row_blocks(xp, len(dx), inner * space * dweight.itemsize) if x.size else ()
        for rows in whole:
            part = widen(xp, rows_dy[rows])
            flow = part
            if weight is not None:
                group = xp.arange(rows.start, rows.stop) % groups
                flow = part * widen(xp, weight).reshape(groups, inner)[group][..., None]
            flat = (len(part), inner * space)
            gradient, z = rows_gradient(xp, rows_x[rows].reshape(flat), flow.reshape(flat), self.eps)
            dx[rows] = gradient.reshape(part.shape)
            dweight[rows] = dots(xp, part, z.reshape(part.shape))
            dbias[rows] = xp.sum(part, axis=2)
        others = [dweight] * (weight is not None) + [dbias] * self.bias
        return (
            dx.reshape(x.shape),
            *(xp.sum(g.reshape(batch, channels), axis=0).astype(x.dtype, copy=False) for g in others),
        )

    def in_parts(self, dy: Value, x: Value, weight: Value | None = None) -> tuple[Value, ...]:
        kind, batch, channels = x.dtype, x.shape[0], x.shape[1]
        whole = (batch, channels, product(x.shape[2:]))
        inner = share(channels, self.groups)
        assert inner is not None
        grouped = (batch, self.groups, inner * whole[2])
        z, scale = standardised_in_parts(x.widened().reshape(grouped), (2,), self.eps, True)
        flow = dy.widened().reshape(whole)
        through = flow if weight is None else flow * weight.widened().reshape((channels, 1))
        dx = flow_in_parts(through.reshape(grouped), z, scale, (2,), True).reshape(x.shape).cast(kind)
        dweight = () if weight is None else ((flow * z.reshape(whole)).sum((0, 2)).cast(kind),)
        return (dx, *dweight, *((flow.sum((0, 2)).cast(kind),) if self.bias else ()))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = draw(2, 6, 3, 2)
        yield example(cls(dim(2), 1e-5, bias=True), x, x, draw(6))
        yield example(cls(dim(3), 0.1), x, x, draw(6))
        yield example(cls(dim(1), 1e-5), x, x)
        yield example(cls(dim(4), 1e-5, bias=True), draw(2, 8), draw(2, 8))
        yield example(cls(dim(2), 1e-5), draw(0, 4, 3), draw(0, 4, 3), draw(4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 6, 4)
        yield bad("shaped as `x`", cls(dim(2), 1e-5), tensor("f32", 2, 6, 3), x)
        yield bad("6 channels into 4 equal groups", cls(dim(4), 1e-5), x, x)
        yield bad("weight f32[6], but got f32[2]", cls(dim(2), 1e-5), x, x, tensor("f32", 2))
