"""Resampling of the spatial axes to new sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from netdsl.dims import Dim, DimLike, dim
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    DataError,
    Example,
    Ints,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_float, need_rank, sizes, spread
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, resampling_map
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.windows import LAYOUT
from netdsl.types import TensorType, tensor


@operator("upsample", "x")
@immutable
class Upsample(Op):
    """`x` with its spatial axes resampled, without antialiasing when they shrink.

    `"nearest"` takes the element at `floor(i * old / new)` for position `i`. `"bilinear"` interpolates
    linearly along each spatial axis, however many there are, at `(i + 0.5) * old / new - 0.5`, or
    with `align_corners` at `i * (old - 1) / (new - 1)`; positions before the first element or after
    the last one take that element.

    Args:
        scale: The factor of the sizes; one value, or one per spatial axis. Either this or `size`.
        size: The spatial sizes of the result; one value, or one per spatial axis.
        mode: `"nearest"` or `"bilinear"`.
        align_corners: Whether the first and last elements keep their positions; for `"bilinear"`.

    Inputs: `x` `[B, C, *space]`; floats for `"bilinear"`, any type for `"nearest"`.

    Source: ONNX `Resize`; PyTorch's `interpolate`.
    """

    category = "pool"

    scale: Ints | None = None
    size: Sizes | None = None
    mode: str = "nearest"
    align_corners: bool = False

    def shape(self, x: TensorType) -> TensorType:
        if self.mode not in ("nearest", "bilinear"):
            raise OpError(
                f'has no mode "{self.mode}"', attribute="mode", help='the modes are "nearest" and "bilinear"'
            )
        if self.align_corners and self.mode == "nearest":
            raise OpError('cannot align corners in mode "nearest"', attribute="align_corners")
        if self.mode == "bilinear":
            need_float(x)
        need_rank(x, 3, layout=LAYOUT)
        space = self._space(x.shape[2:])
        for axis, (old, new) in enumerate(zip(x.shape[2:], space, strict=True), start=2):
            if old == 0 and new.compare(0) == 1:
                raise OpError(f"cannot resample axis {axis} of size 0 to {new} elements", at=[("x", axis)])
        return x.with_shape((*x.shape[:2], *space))

    def _space(self, space: Sequence[DimLike]) -> list[Dim]:
        if (self.scale is None) == (self.size is None):
            both = "neither" if self.scale is None else "both"
            raise OpError(f"needs `scale` or `size`, but got {both}", attribute="size")
        if self.scale is not None:
            factors = spread(self.scale, len(space), "scale")
            return [factor * dim(length) for factor, length in zip(factors, space, strict=True)]
        return self._sizes(len(space))

    def _sizes(self, rank: int) -> list[Dim]:
        sizes = list(self.size or ())
        if len(sizes) not in (1, rank):
            raise OpError(
                f"got {len(sizes)} values for `size`, but there are {rank} spatial axes",
                attribute="size",
                help=f"use one value for all axes, or {rank}",
            )
        for size in sizes:
            if size.compare(1) == -1:
                raise OpError(f"needs `size` of at least 1, but got {size}", attribute="size")
        return sizes * rank if len(sizes) == 1 else sizes

    def forward(self, xp: Module, x: Array) -> Array:
        y = numerics.widen(xp, x) if self.mode == "bilinear" else x
        resample = self._nearest if self.mode == "nearest" else self._linear
        for axis, new in enumerate(map(int, self._space(x.shape[2:])), start=2):
            if x.shape[axis] == 0 and new:
                raise DataError(f"cannot resample axis {axis} of size 0 to {new} elements")
            if new != x.shape[axis]:
                y = resample(xp, y, axis, new)
        return y.astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(UpsampleGradient(x.shape, self.scale, self.size, self.mode, self.align_corners))

    def _nearest(self, xp: Module, x: Array, axis: int, new: int) -> Array:
        return xp.take(x, self.between(xp, x.shape[axis], new)[0], axis=axis)

    def _linear(self, xp: Module, x: Array, axis: int, new: int) -> Array:
        index, share = self.between(xp, x.shape[axis], new)
        share = share.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))
        low = xp.take(x, index, axis=axis)
        return low + (xp.take(x, xp.minimum(index + 1, x.shape[axis] - 1), axis=axis) - low) * share

    def between(self, xp: Module, old: int, new: int) -> tuple[Array, Array]:
        """For each new position along an axis, the element before it, and the weight of the one after it."""
        last, places = old - 1, xp.arange(new, dtype=xp.float64)
        if self.mode == "nearest":
            return xp.arange(new) * old // max(new, 1), xp.zeros(new)
        if self.align_corners:
            places = places * (last / max(new - 1, 1))
        else:
            places = xp.clip((places + 0.5) * ((last + 1) / new) - 0.5, 0, last)
        lower = xp.minimum(xp.floor(places), max(last - 1, 0))
        return lower.astype(xp.int64), places - lower

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return resampling_map(y)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = draw(2, 3, 4, 5)
        yield example(cls((2,)), x)
        yield example(cls((3, 1)), x)
        yield example(cls(size=sizes(7)), x)
        yield example(cls(size=sizes(3, 8)), x)
        yield example(cls((2,)), draw(2, 3, 4))
        yield example(cls((2, 1, 3)), draw(1, 2, 2, 3, 2))
        yield example(cls((2,)), draw_ints(1, 2, 3, dtype="i32"))
        yield example(cls((2,)), draw_bools(1, 2, 3))
        for corners in (False, True):
            yield example(cls((2,), mode="bilinear", align_corners=corners), x)
            yield example(cls((1, 3), mode="bilinear", align_corners=corners), x)
            yield example(cls(size=sizes(7, 3), mode="bilinear", align_corners=corners), x)
            yield example(cls(size=sizes(1, 9), mode="bilinear", align_corners=corners), x)
            yield example(cls((3,), mode="bilinear", align_corners=corners), draw(2, 3, 4))
            yield example(cls((3,), mode="bilinear", align_corners=corners), draw(2, 3, 1))
            yield example(cls((2,), mode="bilinear", align_corners=corners), draw(1, 2, 2, 3, 4))
        yield example(cls((2,)), draw(0, 3, 4, 4))
        yield example(cls((2,), mode="bilinear"), draw(2, 0, 4, 4))
        yield example(cls((2,)), draw(2, 3, 0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4, 5)
        yield bad("got neither", cls(), x)
        yield bad("got both", cls((2,), sizes(8, 8)), x)
        yield bad('mode "cubic"', cls((2,), mode="cubic"), x)
        yield bad("corners", cls((2,), align_corners=True), x)
        yield bad("floating-point", cls((2,), mode="bilinear"), tensor("i32", 2, 3, 4, 5))
        yield bad("at least 1 spatial axis, but `x` is f32[2, 3]", cls((2,)), tensor("f32", 2, 3))
        yield bad("3 values for `scale`", cls((2, 2, 2)), x)
        yield bad("`scale` of at least 1, but got 0", cls((0,)), x)
        yield bad("3 values for `size`, but there are 2", cls(size=sizes(2, 2, 2)), x)
        yield bad("`size` of at least 1, but got 0", cls(size=sizes(0)), x)
        yield bad("axis 2 of size 0 to 3 elements", cls(size=sizes(3)), tensor("f32", 2, 3, 0))


@operator("upsample_gradient", "dy", internal=True)
@immutable
class UpsampleGradient(Op):
    """For each element of the resampled input, the sum of `dy` times its weight at each position.

    Args:
        sizes: The sizes of the resampled input.
        scale, size, mode, align_corners: As in `upsample`.

    Inputs: `dy` `[B, C, *space]`, floats. Along each axis it is a product with the matrix of weights, or a
    sum if each element was repeated equally often.
    """

    category = "plain"

    sizes: Sizes
    scale: Ints | None = None
    size: Sizes | None = None
    mode: str = "nearest"
    align_corners: bool = False

    @property
    def _upsample(self) -> Upsample:
        return Upsample(self.scale, self.size, self.mode, self.align_corners)

    def shape(self, dy: TensorType) -> TensorType:
        need_float(dy, "dy")
        x = dy.with_shape(self.sizes)
        expected = self._upsample.shape(x)
        if expected != dy:
            raise OpError(f"needs `dy` {expected}, but got {dy}", at=["dy"])
        return x

    def forward(self, xp: Module, dy: Array) -> Array:
        dx = numerics.widen(xp, dy)
        for axis, old in enumerate(map(int, self.sizes[2:]), start=2):
            if old != dx.shape[axis]:
                dx = self._gathered(xp, dx, axis, old)
        return dx.astype(dy.dtype, copy=False)

    def _gathered(self, xp: Module, dy: Array, axis: int, old: int) -> Array:
        new = dy.shape[axis]
        before, after = dy.shape[:axis], dy.shape[axis + 1 :]
        if old and self.mode == "nearest" and new % old == 0:
            parts = dy.reshape(prod(before), old, new // old, prod(after))
            total = parts[:, :, 0].copy()
            for n in range(1, new // old):
                total += parts[:, :, n]
            return total.reshape(*before, old, *after)
        shares = self._shares(xp, old, new).astype(dy.dtype)
        if not after:
            return xp.matmul(dy, shares.T)
        return xp.matmul(shares, dy.reshape(prod(before), new, prod(after))).reshape(*before, old, *after)

    def _shares(self, xp: Module, old: int, new: int) -> Array:
        """`[old, new]`: the weight of each old element at each new position."""
        index, share = self._upsample.between(xp, old, new)
        places = xp.arange(old)[:, None]
        behind = xp.minimum(index + 1, old - 1)
        return (places == index) * (1 - share) + (places == behind) * share

    def gradient(self, dy: Value, y: Value, inner: Value) -> Value:
        return dy.apply(self._upsample)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = sizes(2, 2, 3, 4)
        yield example(cls(x, (2,)), draw(2, 2, 6, 8))
        yield example(cls(x, None, sizes(5, 2)), draw(2, 2, 5, 2))
        for corners in (False, True):
            yield example(cls(x, (2, 1), None, "bilinear", corners), draw(2, 2, 6, 4))
            yield example(cls(x, None, sizes(2, 7), "bilinear", corners), draw(2, 2, 2, 7))
            yield example(cls(sizes(1, 2, 1), (3,), None, "bilinear", corners), draw(1, 2, 3))
        yield example(cls(sizes(0, 2, 3), (2,)), draw(0, 2, 6))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs `dy` f32[1, 2, 6]", cls(sizes(1, 2, 3), (2,)), tensor("f32", 1, 2, 5))
        yield bad("floating-point", cls(sizes(1, 2, 3), (2,)), tensor("i32", 1, 2, 6))
