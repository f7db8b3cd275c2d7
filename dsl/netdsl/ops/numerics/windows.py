"""Windows that slide over the spatial axes of `[B, C, *space]`: attributes, padding, sizes and views."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from netdsl.dims import Dim, DimLike, dim, minimum
from netdsl.immutable import immutable
from netdsl.ops.contract.assuming import AT_LEAST, assume
from netdsl.ops.contract.base import Array, DataError, Ints, Module, OpError
from netdsl.ops.contract.rules import check_steps, spread
from netdsl.types import shape_text

LAYOUT = "[batch, channels, *space] with at least 1 spatial axis"

Pair = tuple[int, int]
"""Padding before and after an axis."""


@immutable
class Windows:
    """The positions of windows, with one value per spatial axis. Create one with `windows`.

    `pad` is a pair per axis, or a mode in which the padding depends on the size: `"same"`, with
    the odd element after the data, or `"same_lower"`, with the odd element before it.
    """

    size: tuple[DimLike, ...]
    stride: Ints
    dilation: Ints
    pad: tuple[Pair, ...] | str
    ceil: bool = False

    def reach(self, axis: int) -> DimLike:
        """How many elements a window spans, gaps included."""
        return (self.size[axis] - 1) * self.dilation[axis] + 1

    def slides_along(self, axis: int) -> bool:
        """Whether windows only slide along an axis of `[B, C, *space]`, without padding or rounding up.

        A larger stride is visible in the size of the result.
        """
        return not self.ceil and not isinstance(self.pad, str) and self.pad[axis - 2] == (0, 0)

    def counts(self, space: Sequence[DimLike]) -> tuple[Dim, ...]:
        """The number of windows along each axis. Raises `OpError` if not even one fits."""
        return tuple(self._count(axis, dim(length)) for axis, length in enumerate(space))

    def _count(self, axis: int, length: Dim) -> Dim:
        stride, reach = self.stride[axis], self.reach(axis)
        if isinstance(self.pad, str):
            return (length + (stride - 1)) // stride  # the form that a padded convolution has too
        begin, end = self.pad[axis]
        last = length + begin + end - reach
        if self.ceil:  # the last window may extend past the end, but must start within the elements
            last = minimum(last + stride - 1, length + begin - 1)
        count = last // stride + 1
        if count.compare(1) == -1:
            padded = f" ({length + begin + end} with padding)" if begin + end else ""
            raise OpError(
                f"needs windows that fit: a window spans {reach} elements, but axis {axis + 2} of "
                f"`x` has {length}{padded}",
                at=[("x", axis + 2)],
                help="use a smaller window, or pad",
            )
        assume(AT_LEAST, length, dim(reach) - begin - end)
        return count

    def fixed_counts(self, space: Sequence[int]) -> tuple[int, ...]:
        """`counts` of an array. Raises `DataError` if no window fits."""
        try:
            return _fixed_counts(self, tuple(space))
        except OpError as error:
            raise DataError(error.message) from None

    def padding(self, space: Sequence[int]) -> tuple[Pair, ...]:
        """The padding of an array, before and after each axis."""
        if not isinstance(self.pad, str):
            return self.pad
        pairs = []
        for axis, length in enumerate(space):
            stride = self.stride[axis]
            spanned = (-(-length // stride) - 1) * stride + int(self.reach(axis))
            total = max(spanned - length, 0)
            short, long = total // 2, total - total // 2
            pairs.append((short, long) if self.pad == "same" else (long, short))
        return tuple(pairs)

    def extents(self, space: Sequence[int]) -> tuple[int, ...]:
        """The sizes of the axes with the part of their padding that windows reach."""
        pairs = zip(space, self.fixed_counts(space), self.padding(space), strict=True)
        return tuple(
            max(begin + length, (count - 1) * self.stride[axis] + int(self.reach(axis)))
            for axis, (length, count, (begin, _)) in enumerate(pairs)
        )

    def inside(self, space: Sequence[int]) -> tuple[slice, ...]:
        """The slices of a padded array that hold its elements."""
        return tuple(
            slice(begin, begin + n) for n, (begin, _) in zip(space, self.padding(space), strict=True)
        )

    def padded(self, xp: Module, x: Array, fill: float) -> Array:
        """`x` padded with `fill` as far as its windows reach; `x` itself if that is nowhere."""
        space = x.shape[2:]
        shape = (*x.shape[:2], *self.extents(space))
        if shape == x.shape:
            return x
        wide = xp.full(shape, fill, dtype=x.dtype)
        wide[(..., *self.inside(space))] = x
        return wide

    def view(self, xp: Module, x: Array, counts: Sequence[int]) -> Array:
        """`[B, C, *counts, *size]`: the windows of an array that is padded already, without a copy."""
        outer = [stride * step for stride, step in zip(x.strides[2:], self.stride, strict=True)]
        inner = [stride * gap for stride, gap in zip(x.strides[2:], self.dilation, strict=True)]
        shape = (*x.shape[:2], *counts, *map(int, self.size))
        return xp.lib.stride_tricks.as_strided(x, shape, (*x.strides[:2], *outer, *inner))


@lru_cache(maxsize=256)
def _fixed_counts(placement: Windows, space: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, placement.counts(space)))


def windows(
    size: Sequence[DimLike], stride: Ints, pad: Ints | str, dilation: Ints, ceil: bool = False
) -> Windows:
    """Windows of `size` from an operator's attributes; raises `OpError` for invalid values."""
    sizes = tuple(n.value if isinstance(n, Dim) and n.is_fixed else n for n in size)
    return _windows(sizes, stride, pad, dilation, ceil)


@lru_cache(maxsize=256)
def _windows(size: tuple[DimLike, ...], stride: Ints, pad: Ints | str, dilation: Ints, ceil: bool) -> Windows:
    rank = len(size)
    if any(dim(n).compare(1) == -1 for n in size):
        raise OpError(f"needs a window of at least 1 element, but got {shape_text(size)}", at=["weight"])
    return Windows(
        size,
        spread(stride, rank, "stride"),
        spread(dilation, rank, "dilation"),
        _pad_pairs(pad, rank),
        ceil,
    )


def _pad_pairs(pad: Ints | str, rank: int) -> tuple[Pair, ...] | str:
    if isinstance(pad, str):
        if pad not in ("same", "same_lower", "valid"):
            raise OpError(
                f'has no pad mode "{pad}"',
                attribute="pad",
                help='use "same", "same_lower", "valid" or numbers',
            )
        return ((0, 0),) * rank if pad == "valid" else pad
    if len(pad) == 2 * rank and min(pad) >= 0:
        check_steps(pad, "pad")
        return tuple(zip(pad[:rank], pad[rank:], strict=True))
    if len(pad) not in (1, rank, 2 * rank):
        raise OpError(
            f"got {len(pad)} values for `pad`, but there are {rank} spatial axes",
            attribute="pad",
            help=f"use 1 value, {rank} (one per axis), or {2 * rank} (all before, then all after)",
        )
    return tuple((n, n) for n in spread(pad, len(pad), "pad", least=0) * (rank if len(pad) == 1 else 1))
