"""Normalisations over the channels of one sample: group and instance."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.dims import Dim, dim, symbol
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
from netdsl.ops.contract.rules import need_float, need_rank, share
from netdsl.ops.contract.samples import draw
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.norm.norm import affine, check_affine, check_eps, standardised
from netdsl.ops.norm.norm_gradient import GroupNormGradient
from netdsl.types import TensorType, tensor


def normalised_groups(
    xp: Module, x: Array, groups: int, eps: float, weight: Array | None, bias: Array | None
) -> Array:
    """`x` with each of `groups` runs of channels of each sample normalised, then scaled and shifted."""
    if x.size == 0:
        return x
    y = standardised(xp, x.reshape((x.shape[0], groups, -1)), (2,), eps).reshape(x.shape)
    return affine(xp, y, (1,), weight, bias).astype(x.dtype, copy=False)


def _gradient(
    groups: Dim, eps: float, dy: Value, x: Value, weight: Value | None, bias: Value | None
) -> tuple[Value | None, ...]:
    dx, *others = dy.apply_all(GroupNormGradient(groups, eps, bias is not None), x, weight)
    return dx, None if weight is None else others[0], None if bias is None else others[-1]


@operator("group_norm", "x", "weight?", "bias?")
@immutable
class GroupNorm(Op):
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, the mean and variance per sample and group.

    Args:
        groups: The number of groups of equally many neighbouring channels.
        eps: Added to the variance, above 0.

    Inputs: `x`, floats `[N, C, ...]` with `C` a multiple of `groups`; `weight` and `bias`, `[C]`, 1
    and 0 by default. f16 is computed in f32.

    Source: Wu and He, "Group normalization", ECCV 2018; ONNX GroupNormalization.
    """

    category = "norm"

    groups: int
    eps: float = 1e-5

    def shape(
        self, x: TensorType, weight: TensorType | None = None, bias: TensorType | None = None
    ) -> TensorType:
        need_float(x)
        need_rank(x, 2, layout="[N, C, ...]")
        check_eps(self.eps)
        if self.groups < 1:
            raise OpError(f"needs `groups` of at least 1, but got {self.groups}", attribute="groups")
        if share(x.shape[1], self.groups) is None:
            raise OpError(
                f"cannot divide {x.shape[1]} channels into {self.groups} equal groups",
                at=[("x", 1)],
                attribute="groups",
            )
        check_affine(x, (1,), weight=weight, bias=bias)
        return x

    def forward(self, xp: Module, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
        if x.shape[1] % self.groups:
            raise DataError(f"cannot divide {x.shape[1]} channels into {self.groups} equal groups")
        return normalised_groups(xp, x, self.groups, self.eps, weight, bias)

    def gradient(
        self, dy: Value, y: Value, x: Value, weight: Value | None, bias: Value | None
    ) -> tuple[Value | None, ...]:
        return _gradient(dim(self.groups), self.eps, dy, x, weight, bias)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *range(1, y.rank))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(2), draw(2, 6, 4, 5), draw(6), draw(6))
        yield example(cls(3, 0.1), draw(2, 6, 4), draw(6), draw(6))
        yield example(cls(1), draw(2, 4, 3))
        yield example(cls(4), draw(2, 8), draw(8), None)
        yield example(cls(2), draw(2, 4, 2, 3, 2), None, draw(4))
        yield example(cls(2), draw(0, 4, 3), draw(4), draw(4))
        yield example(cls(2), draw(2, 0, 3), draw(0), draw(0))
        yield example(cls(2), draw(2, 4, 0), draw(4), draw(4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 6, 4)
        yield bad("6 channels into 4 equal groups", cls(4), x)
        yield bad("at least 1, but got 0", cls(0), x)
        yield bad("`weight` of shape [6]", cls(2), x, tensor("f32", 2))
        yield bad("`bias` of shape [6]", cls(2), x, None, tensor("f32", symbol("C")))
        yield bad("[N, C, ...]", cls(1), tensor("f32", 6))
        yield bad("floating-point", cls(1), tensor("i32", 2, 6))
        yield bad("one element type", cls(2), x, tensor("f64", 6))
        yield bad("`eps` above 0", cls(2, 0.0), x)


@operator("instance_norm", "x", "weight?", "bias?")
@immutable
class InstanceNorm(Op):
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, the mean and variance per sample and channel.

    Args:
        eps: Added to the variance, above 0.

    Inputs: `x`, floats `[N, C, ...]` with at least one axis after the channels; `weight` and `bias`,
    `[C]`, 1 and 0 by default. f16 is computed in f32.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016; ONNX InstanceNormalization.
    """

    category = "norm"

    eps: float = 1e-5

    def shape(
        self, x: TensorType, weight: TensorType | None = None, bias: TensorType | None = None
    ) -> TensorType:
        need_float(x)
        need_rank(x, 3, layout="[N, C, L, ...]")
        check_eps(self.eps)
        check_affine(x, (1,), weight=weight, bias=bias)
        return x

    def forward(self, xp: Module, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
        return normalised_groups(xp, x, x.shape[1], self.eps, weight, bias)

    def gradient(
        self, dy: Value, y: Value, x: Value, weight: Value | None, bias: Value | None
    ) -> tuple[Value | None, ...]:
        return _gradient(x.shape[1], self.eps, dy, x, weight, bias)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *range(1, y.rank))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 3, 4, 5), draw(3), draw(3))
        yield example(cls(0.1), draw(2, 3, 6), draw(3), draw(3))
        yield example(cls(), draw(2, 3, 6))
        yield example(cls(), draw(2, 3, 2, 3, 2), draw(3), None)
        yield example(cls(), draw(0, 3, 4), draw(3), draw(3))
        yield example(cls(), draw(2, 0, 4), draw(0), draw(0))
        yield example(cls(), draw(2, 3, 0), draw(3), draw(3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad("[N, C, L, ...]", cls(), tensor("f32", 2, 3))
        yield bad("floating-point", cls(), tensor("i32", 2, 3, 4))
        yield bad("`weight` of shape [3]", cls(), x, tensor("f32", 4))
        yield bad("one element type", cls(), x, tensor("f64", 3))
        yield bad("`eps` above 0", cls(0.0), x)
