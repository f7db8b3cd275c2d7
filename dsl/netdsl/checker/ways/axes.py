"""Comparing shapes by their axes, and writing one as another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

from netdsl import syntax as s
from netdsl.checker.context.causes import Where
from netdsl.checker.context.values import Tensor
from netdsl.checker.ways import sizes
from netdsl.checker.ways.change import Change, change
from netdsl.checker.ways.uses import Use
from netdsl.dims import Dim

_LETTERS = "nmpqrs"


def missing_axes(shape: Sequence[Dim], wanted: Sequence[Dim]) -> list[int]:
    """The axes of `wanted` that `shape` lacks, where its own come in the same order; empty if they do not."""
    gap = len(wanted) - len(shape)
    if gap < 1:
        return []
    for chosen in combinations(range(len(wanted)), gap):
        if [size for axis, size in enumerate(wanted) if axis not in chosen] == list(shape):
            return list(chosen)
    return []


def permuted(shape: Sequence[Dim], wanted: Sequence[Dim]) -> list[int] | None:
    """The order in which the axes of one shape make another; None if they are not the same axes."""
    if len(shape) != len(wanted) or len(shape) > 5 or list(shape) == list(wanted):
        return None
    for order in permutations(range(len(shape))):
        if [shape[axis] for axis in order] == list(wanted):
            return list(order)
    return None


def with_ones(where: Where, use: Use, tensor: Tensor, axes: Sequence[int]) -> Change:
    """A tensor with new axes of size 1: `unsqueeze` for one, and by name for several."""
    names = _names(where, tensor)
    after = list(names)
    for axis in sorted(axes):
        after.insert(axis, "1")
    result = f"[{', '.join(after)}]"
    if len(axes) == 1:
        return change(use.through("unsqueeze", str(axes[0])), why=f"which makes it {result}")
    arrow = f"[{', '.join(names)}] => {result}"
    if use.piped:
        return change((use.span.source.span(use.span.start, use.span.start), f"{arrow} -> "))
    return change((use.span, f"({use.span.text} -> {arrow})"))


def _names(where: Where, tensor: Tensor) -> list[str]:
    """A name for each axis of a tensor: the one that the body has for it, or a letter."""
    names: list[str] = []
    for n, size in enumerate(tensor.type.shape):
        text = sizes.in_text(where, size)
        names.append(text if text and text.isidentifier() and text not in names else _LETTERS[n % 6])
    return names


def more_axes(where: Where, use: Use, tensor: Tensor, count: int) -> Iterator[Change]:
    """A tensor with `count` more axes: after the batch first, then at the end, then elsewhere."""
    rank = tensor.type.rank
    shape = tensor.type.shape
    is_square = rank == 2 and shape[0] == shape[1] and not shape[0].is_fixed  # a mask of queries and keys
    for start in (0, 1, rank) if is_square else (1, rank, 0):
        if start <= rank:
            yield with_ones(where, use, tensor, range(start, start + count))


def fewer_axes(use: Use, tensor: Tensor, count: int) -> Iterator[Change]:
    """A tensor with `count` axes less: without those of size 1, or with all but the batch in one."""
    ones = [axis for axis, size in enumerate(tensor.type.shape) if size == 1 and axis > 0]
    if len(ones) >= count:
        chosen = ones[-count:]
        text = str(chosen[0]) if count == 1 else str(chosen)
        yield change(use.through("squeeze", text), why="which drops the axis of size 1")
    if tensor.type.rank - count == 2 and all(size.is_fixed for size in tensor.type.shape[1:]):
        yield change(use.through("flatten"), why="which joins all axes but the batch")
    if tensor.type.rank == 3 and count == 1:
        yield change(use.through("mean", "over=1"), why="which averages over axis 1")
    if tensor.type.rank > 3 and tensor.type.rank - count == 2:
        yield change(use.through("global_avg_pool"), why="which averages over all positions")


def channels_first(where: Where) -> Iterator[Change]:
    """Inputs of models that are declared as pictures with their channels last, with the channels first."""
    for block in where.root.file.of("model"):
        for param in block.inputs or ():
            shape = param.type.elements if isinstance(param.type, s.Index) else ()
            words = [element.span.text for element in shape]
            if len(words) == 4 and is_channels_last([int(w) if w.isdigit() else None for w in words]):
                at = shape[1].span.to(shape[3].span)
                text = f"{words[3]}, {words[1]}, {words[2]}"
                before = param.span.text.partition("[")[0]
                help = f"declare `{before}[{words[0]}, {text}]`: images are [batch, channels, H, W]"
                yield change((at, text), help=help)


def is_channels_last(shape: Sequence[int | None]) -> bool:
    """Whether four sizes are those of pictures with 1, 3 or 4 channels on the last axis."""
    _, height, width, channels = shape
    if height is None or width is None:
        return False
    return channels in (1, 3, 4) and 4 < min(height, width) <= max(height, width) <= 2 * min(height, width)
