"""Batch normalisation with the statistics of the batch, as in training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from netdsl.dims import product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    DataError,
    Example,
    Module,
    Op,
    OpError,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, need_rank, same_dtype
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.norm.norm import check_affine, check_eps
from netdsl.ops.norm.norm_gradient import flow_in_parts, standardised_in_parts
from netdsl.ops.numerics.functions import dots, row_blocks, widen
from netdsl.types import TensorType, shape_text, tensor

_ONE_VALUE = "use larger batches, freeze the running statistics, or use `LayerNorm` or `GroupNorm`"


def _too_few(what: str) -> str:
    return f"needs at least 2 values in each channel, of which to take the variance, but got {what}"


class _Channels:
    """`[N, C, ...]` in blocks of channels, each `[N, c, L]` and in f32 at least, with sums per channel."""

    def __init__(self, xp: Module, x: Array) -> None:
        self.xp = xp
        self.shape = (*x.shape[:2], prod(x.shape[2:]))
        self.count = self.shape[0] * self.shape[2]
        self.kind = xp.float32 if x.dtype.itemsize == 2 else x.dtype
        self.itemsize = max(x.dtype.itemsize, 4)
        if self.count < 2:
            raise DataError(f"{_too_few(shape_text(x.shape))}; {_ONE_VALUE}")

    def blocks(self) -> Iterator[slice]:
        return row_blocks(self.xp, self.shape[1], self.count * self.itemsize)

    def block(self, x: Array, channels: slice) -> Array:
        return widen(self.xp, x.reshape(self.shape)[:, channels])

    def sums(self, x: Array) -> Array:
        return self.xp.sum(x, axis=(0, 2))

    def products(self, a: Array, b: Array) -> Array:
        """The sums of `a * b` per channel."""
        if a.shape[2] < 8:  # too short for a product of rows
            return self.sums(a * b)
        return self.xp.sum(dots(self.xp, a, b), axis=0)

    def deviations(self, x: Array) -> tuple[Array, Array]:
        """`x` minus its mean, `[N, c, L]`, and the mean, `[c]`."""
        mean = self.sums(x) / self.count
        deviations = x - mean[:, None]
        rest = self.sums(deviations) / self.count  # the rounding error of the mean
        deviations -= rest[:, None]
        return deviations, mean + rest


@operator("batch_norm_training", "x", "weight?", "bias?")
@immutable
class BatchNormTraining(Op):
    """`(x - mean) / sqrt(var + eps) * weight + bias` per channel, with the statistics of `x`.

    Args:
        eps: Added to the variance, above 0.

    Inputs: `x`, floats `[N, C, ...]` with elements in each channel; `weight` and `bias`, `[C]`, 1 and 0 by
    default. The outputs are the normalised `x`, then the mean and the biased variance of each channel,
    `[C]`. f16 is computed in f32.

    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithm 1; ONNX BatchNormalization with
    `training_mode`.
    """

    category = "norm"

    eps: float = 1e-5

    def shape(
        self, x: TensorType, weight: TensorType | None = None, bias: TensorType | None = None
    ) -> tuple[TensorType, ...]:
        need_float(x)
        need_rank(x, 2, layout="[N, C, ...]")
        check_eps(self.eps)
        check_affine(x, (1,), weight=weight, bias=bias)
        others = [axis for axis in range(x.rank) if axis != 1]
        if product(x.shape[axis] for axis in others).compare(2) == -1:
            raise OpError(_too_few(str(x)), at=[("x", axis) for axis in others], help=_ONE_VALUE)
        statistics = x.with_shape(x.shape[1:2])
        return x, statistics, statistics

    def forward(
        self, xp: Module, x: Array, weight: Array | None = None, bias: Array | None = None
    ) -> tuple[Array, ...]:
        channels = _Channels(xp, x)
        y = xp.empty(channels.shape, dtype=x.dtype)
        means, variances = (xp.empty(channels.shape[1], dtype=channels.kind) for _ in range(2))
        for part in channels.blocks():
            block, means[part] = channels.deviations(channels.block(x, part))
            variances[part] = channels.products(block, block) / channels.count
            scale = 1 / xp.sqrt(variances[part] + self.eps)
            block *= (scale if weight is None else scale * widen(xp, weight[part]))[:, None]
            if bias is not None:
                block += widen(xp, bias[part])[:, None]
            y[:, part] = block
        return y.reshape(x.shape), means.astype(x.dtype, copy=False), variances.astype(x.dtype, copy=False)

    def gradient(
        self,
        dy: tuple[Value | None, Value | None, Value | None],
        y: tuple[Value, Value, Value],
        x: Value,
        weight: Value | None,
        bias: Value | None,
    ) -> tuple[Value | None, ...]:
        gradients: list[Value] = []
        if dy[0] is not None:
            op = BatchNormTrainingGradient(self.eps, bias is not None)
            gradients = list(dy[0].apply_all(op, x, weight))
        dx = self._through_statistics(gradients[0] if gradients else None, dy, y, x)
        dweight = gradients[1] if gradients and weight is not None else None
        return dx, dweight, gradients[-1] if gradients and bias is not None else None

    def _through_statistics(
        self,
        dx: Value | None,
        dy: tuple[Value | None, Value | None, Value | None],
        y: tuple[Value, Value, Value],
        x: Value,
    ) -> Value | None:
        """`dx`, including the gradients of the mean and the variance outputs."""
        others = (0, *range(2, x.rank))
        count = x.widened().count(others)
        along = x.sum(others, keepdims=True).shape[1:]
        for n, flow in enumerate(dy[1:], start=1):
            if flow is None:
                continue
            more = flow.widened().reshape(along) / count
            if n == 2:
                more = more * 2 * (x.widened() - y[1].widened().reshape(along))
            more = more.cast(x.dtype).expand(x.shape)
            dx = more if dx is None else dx + more
        return dx

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *(axis for axis in range(y.rank) if axis != 1))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 3, 4, 5), draw(3), draw(3))
        yield example(cls(0.1), draw(2, 3, 9), draw(3), draw(3))
        yield example(cls(), draw(4, 3))
        yield example(cls(), draw(2, 3, 1, 2, 2), None, draw(3))
        yield example(cls(), draw(2, 3, 4), draw(3), None)

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, c = tensor("f32", 2, 3, 4), tensor("f32", 3)
        yield bad("floating-point", cls(), tensor("i32", 2, 3), c, c)
        yield bad("[N, C, ...]", cls(), tensor("f32", 3), c, c)
        yield bad("`weight` of shape [3]", cls(), x, tensor("f32", 2))
        yield bad("one element type", cls(), x, c, tensor("f64", 3))
        yield bad("`eps` above 0", cls(0.0), x)
        yield bad("at least 2 values in each channel", cls(), tensor("f32", 0, 3))
        yield bad("but got f32[1, 3]", cls(), tensor("f32", 1, 3))


@operator("batch_norm_training_gradient", "dy", "x", "weight?", internal=True)
@immutable
class BatchNormTrainingGradient(Op):
    """The gradients of `batch_norm_training`: of `x`, then of any weight and bias.

    Args:
        eps: Added to the variance.
        bias: Whether there is a bias.

    Inputs: `dy` and `x`, floats `[N, C, ...]` of one shape; `weight`, `[C]`.

    Source: Ioffe and Szegedy, "Batch normalization", ICML 2015, section 3.
    """

    category = "plain"

    eps: float
    bias: bool = False

    def shape(
        self, dy: TensorType, x: TensorType, weight: TensorType | None = None
    ) -> tuple[TensorType, ...]:
        need_float(x)
        same_dtype(dy, x, ("dy", "x"))
        check_affine(x, (1,), weight=weight)
        if dy.shape != x.shape:
            raise OpError(f"needs `dy` shaped as `x`, but got {dy} and {x}", at=["dy", "x"])
        return (x, *[x.with_shape(x.shape[1:2])] * (self.bias + (weight is not None)))

    def forward(self, xp: Module, dy: Array, x: Array, weight: Array | None = None) -> tuple[Array, ...]:
        channels = _Channels(xp, x)
        dx = xp.empty(channels.shape, dtype=x.dtype)
        dweight, dbias = (xp.empty(channels.shape[1], dtype=channels.kind) for _ in range(2))
        for part in channels.blocks():
            block, _ = channels.deviations(channels.block(x, part))
            flow = channels.block(dy, part)
            scale = 1 / xp.sqrt(channels.products(block, block) / channels.count + self.eps)
            along, dbias[part] = channels.products(flow, block), channels.sums(flow)
            dweight[part] = along * scale
            block *= (along * scale * scale / -channels.count)[:, None]
            block += flow
            block -= (dbias[part] / channels.count)[:, None]
            block *= (scale if weight is None else scale * widen(xp, weight[part]))[:, None]
            dx[:, part] = block
        others = [dweight] * (weight is not None) + [dbias] * self.bias
        return (dx.reshape(x.shape), *(g.astype(x.dtype, copy=False) for g in others))

    def in_parts(self, dy: Value, x: Value, weight: Value | None = None) -> tuple[Value, ...]:
        axes, flow = (0, *range(2, x.rank)), dy.widened()
        z, scale = standardised_in_parts(x.widened(), axes, self.eps, True)
        through = flow if weight is None else flow * weight.widened().reshape(scale.shape[1:])
        dx = flow_in_parts(through, z, scale, axes, True).cast(x.dtype)
        dweight = () if weight is None else ((flow * z).sum(axes).cast(x.dtype),)
        return (dx, *dweight, *((flow.sum(axes).cast(x.dtype),) if self.bias else ()))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(1e-5, True), draw(2, 3, 4, 5), draw(2, 3, 4, 5), draw(3))
        yield example(cls(0.1), draw(2, 3, 9), draw(2, 3, 9), draw(3))
        yield example(cls(1e-5, True), draw(4, 3), draw(4, 3))
        yield example(cls(1e-5), draw(4, 3), draw(4, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad("shaped as `x`", cls(1e-5), tensor("f32", 2, 3), x)
        yield bad("f64 and f32", cls(1e-5), tensor("f64", 2, 3, 4), x)
        yield bad("`weight` of shape [3]", cls(1e-5), x, x, tensor("f32", 2))
