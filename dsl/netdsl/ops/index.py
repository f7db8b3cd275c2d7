"""Operators that read and write at positions that other arrays hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netdsl.dims import symbol
from netdsl.ops.base import (
    Array,
    Axis,
    BadExample,
    DataError,
    Example,
    Module,
    Op,
    OpError,
    bad,
    draw,
    draw_ints,
    example,
    operator,
)
from netdsl.ops.rules import need_int, need_number, normal_axis, same_dtype
from netdsl.types import DType, TensorType, shape_text, tensor


def from_front(xp: Module, indices: Array, size: int, what: str) -> Array:
    """`indices` as i64, negative ones counted from the end. Raises `DataError` for one out of range."""
    indices = indices.astype(xp.int64)
    wrong = (indices < -size) | (indices >= size)
    if bool(wrong.any()):
        where = int(xp.argmax(wrong.ravel()))
        raise DataError(
            f"index {int(indices.ravel()[where])} at position {_position(where, indices.shape)} "
            f"is out of range: {what} has size {size}"
        )
    return xp.where(indices < 0, indices + size, indices)


def _position(flat: int, shape: tuple[int, ...]) -> list[int]:
    position = []
    for size in reversed(shape):
        flat, coordinate = divmod(flat, size)
        position.append(coordinate)
    return position[::-1]


def need_room(x: TensorType, indices: TensorType, axis: int) -> None:
    """Raise `OpError` where `indices` has other axes than `x`, or is longer on an axis that is not `axis`."""
    if indices.rank != x.rank:
        raise OpError(
            f"needs `indices` with as many axes as `x`, and gets {indices} for {x}", at=["x", "indices"]
        )
    for other, (size, wanted) in enumerate(zip(x.shape, indices.shape, strict=True)):
        if other != axis and wanted != size and wanted.compare(size) != -1:
            raise OpError(
                f"needs `indices` no longer than `x` except on axis {axis}, "
                f"and axis {other} is {wanted} against {size}",
                at=[("x", other), ("indices", other)],
            )


def grid(xp: Module, indices: Array, axis: int) -> tuple[Array, ...]:
    """The positions that `indices` means: its values on `axis`, its own coordinates on the other axes."""
    coordinates = [
        xp.arange(n).reshape((-1,) + (1,) * (indices.ndim - other - 1))
        for other, n in enumerate(indices.shape)
    ]
    return (*coordinates[:axis], indices, *coordinates[axis + 1 :])


@operator("gather", "x", "indices")
@dataclass(frozen=True)
class Gather(Op):
    """The slices of `x` along `axis` at `indices`: an embedding lookup for `axis=0`.

    Args:
        axis: The axis of `x` to index.

    Inputs: `x`, any shape with that axis; `indices`, integers of any shape, in `[-n, n)` for an axis of
    size `n`, negative ones counted from the end. The shape of `indices` replaces the axis.

    Source: ONNX Gather.
    """

    axis: Axis = 0

    def shape(self, x: TensorType, indices: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        need_int(indices, "indices")
        return x.with_shape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])

    def forward(self, xp: Module, x: Array, indices: Array) -> Array:
        axis = self.axis % x.ndim
        return xp.asarray(xp.take(x, from_front(xp, indices, x.shape[axis], f"axis {axis}"), axis=axis))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(5, 3), draw_ints(4, low=0, high=5))
        yield example(cls(), draw(5, 3), draw_ints(2, 4, low=-5, high=5))
        yield example(cls(1), draw(2, 5, 3), draw_ints(2, 2, low=0, high=5, dtype="i32"))
        yield example(cls(-1), draw_ints(2, 5), draw_ints(low=0, high=5))
        yield example(cls(), draw(5), draw_ints(low=0, high=5))
        yield example(cls(), draw(5, 3), draw_ints(0, 2))
        yield example(cls(1), draw(0, 5), draw_ints(2, low=0, high=5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs integers", cls(), tensor("f32", 5), tensor("f32", 2))
        yield bad("axis 2", cls(2), tensor("f32", 5, 3), tensor("i64", 2))
        yield bad("no axes", cls(), tensor("f32"), tensor("i64", 2))


@operator("gather_elements", "x", "indices")
@dataclass(frozen=True)
class GatherElements(Op):
    """One element of `x` for each index: `y[i, j] = x[indices[i, j], j]` for `axis=0` of two.

    Args:
        axis: The axis of `x` to index.

    Inputs: `x`, any shape; `indices`, integers with as many axes, no longer than `x` on the other axes,
    in `[-n, n)` for an axis of size `n`, negative ones counted from the end. The result is shaped as
    `indices`.

    Source: ONNX GatherElements.
    """

    axis: Axis = 0

    def shape(self, x: TensorType, indices: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        need_int(indices, "indices")
        need_room(x, indices, axis)
        return indices.with_dtype(x.dtype)

    def forward(self, xp: Module, x: Array, indices: Array) -> Array:
        axis = self.axis % x.ndim
        return x[grid(xp, from_front(xp, indices, x.shape[axis], f"axis {axis}"), axis)]

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 4), draw_ints(2, 4, low=-3, high=3))
        yield example(cls(1), draw(3, 4), draw_ints(2, 6, low=0, high=4, dtype="i32"))
        yield example(cls(-1), draw_ints(2, 3, 4), draw_ints(2, 3, 1, low=0, high=4))
        yield example(cls(), draw(3), draw_ints(5, low=0, high=3))
        yield example(cls(), draw(3, 4), draw_ints(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs integers", cls(), tensor("f32", 5), tensor("f32", 2))
        yield bad("axis 1 is 5 against 4", cls(), tensor("f32", 3, 4), tensor("i64", 2, 5))
        yield bad("axis 1 is B against 4", cls(), tensor("f32", 3, 4), tensor("i64", 2, symbol("B")))
        yield bad("as many axes", cls(), tensor("f32", 3, 4), tensor("i64", 3))
        yield bad("axis 2", cls(2), tensor("f32", 3, 4), tensor("i64", 3, 4))


_REDUCTIONS = {"none": None, "add": "add", "max": "maximum", "min": "minimum"}


@operator("scatter", "x", "indices", "updates")
@dataclass(frozen=True)
class Scatter(Op):
    """A copy of `x` with `updates` written, or folded in, at `indices` along `axis`.

    `y[indices[i, j], j] = updates[i, j]` for `axis=0` of two.

    Args:
        axis: The axis of `x` to index.
        reduce: `"none"` writes; `"add"`, `"max"` and `"min"` fold each update into what is there. Where
            several updates meet one element, `"none"` keeps one of them, and which one is not defined.

    Inputs: `x`, any shape; `indices`, integers with as many axes, no longer than `x` on the other axes,
    in `[-n, n)` for an axis of size `n`, negative ones counted from the end; `updates`, shaped as
    `indices`. Sums of f16 are taken in f32; on a GPU the order of a sum is not fixed.

    Source: ONNX ScatterElements.
    """

    axis: Axis = 0
    reduce: str = "none"

    def shape(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        if self.reduce not in _REDUCTIONS:
            raise OpError(
                f'has no `reduce="{self.reduce}"`',
                attribute="reduce",
                help=f"one of {', '.join(_REDUCTIONS)}",
            )
        need_int(indices, "indices")
        need_room(x, indices, axis)
        same_dtype(x, updates, ("x", "updates"))
        if self.reduce != "none":
            need_number(x)
        if updates.shape != indices.shape:
            raise OpError(
                f"needs one update per index, and gets {shape_text(updates.shape)} for "
                f"{shape_text(indices.shape)}",
                at=["updates", "indices"],
            )
        return x

    def forward(self, xp: Module, x: Array, indices: Array, updates: Array) -> Array:
        axis = self.axis % x.ndim
        where = grid(xp, from_front(xp, indices, x.shape[axis], f"axis {axis}"), axis)
        function = _REDUCTIONS[self.reduce]
        if function is None:
            out = x.copy()
            out[where] = updates
            return out
        out = _carry(xp, x, function)
        getattr(xp, function).at(out, where, _carry(xp, updates, function))
        return _uncarry(xp, out, x.dtype, function)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        distinct = draw_ints(1, 4, low=-3, high=3)
        yield example(cls(), draw(3, 4), distinct, draw(1, 4))
        yield example(cls(1), draw(3, 4), draw_ints(2, 1, low=0, high=4, dtype="i32"), draw(2, 1))
        for name in ("add", "max", "min"):
            yield example(cls(-1, name), draw(3, 4), draw_ints(3, 9, low=-4, high=4), draw(3, 9))
            numbers = draw_ints(5, low=-9), draw_ints(20, low=0, high=5), draw_ints(20, low=-9)
            yield example(cls(0, name), *numbers)
        yield example(cls(0, "add"), draw(3, 4), draw_ints(0, 4), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, indices = tensor("f32", 3, 4), tensor("i64", 2, 4)
        yield bad("needs integers", cls(), x, tensor("f32", 2, 4), tensor("f32", 2, 4))
        yield bad("axis 1 is 5 against 4", cls(), x, tensor("i64", 2, 5), tensor("f32", 2, 5))
        yield bad("one update per index", cls(), x, indices, tensor("f32", 2, 3))
        yield bad("one element type", cls(), x, indices, tensor("i64", 2, 4))
        yield bad('reduce="mul"', cls(reduce="mul"), x, indices, tensor("f32", 2, 4))
        yield bad("needs numbers", cls(0, "max"), tensor("bool", 3), tensor("i64", 3), tensor("bool", 3))
        yield bad("axis 2", cls(2), x, indices, tensor("f32", 2, 4))


_SIGN = 1 << 63


def _carry(xp: Module, x: Array, function: str) -> Array:
    """A copy of `x` in a type that CuPy scatters: 32-bit and floats as they are, i64 as u64.

    Sums of u64 wrap as those of i64 do; with the sign bit turned over, u64 is ordered as i64 is.
    """
    if x.dtype == xp.int64:
        bits = x.astype(xp.uint64)
        return bits if function == "add" else bits ^ xp.uint64(_SIGN)
    if x.dtype.itemsize < 4:
        return x.astype(xp.int32 if x.dtype.kind in "iu" else xp.float32)
    return x.copy()


def _uncarry(xp: Module, x: Array, dtype: object, function: str) -> Array:
    if x.dtype == xp.uint64 and function != "add":
        x = x ^ xp.uint64(_SIGN)
    return x.astype(dtype)


@operator("one_hot", "indices")
@dataclass(frozen=True)
class OneHot(Op):
    """A new last axis of size `depth` that is 1 at the index and 0 elsewhere.

    Args:
        depth: The number of classes, at least 1.
        dtype: The element type of the result; `bool` gives true and false.

    Inputs: `indices`, integers of any shape in `[-depth, depth)`, negative ones counted from the end.

    Source: ONNX OneHot, except that an index out of range is an error.
    """

    depth: int
    dtype: DType = DType.F32

    def shape(self, indices: TensorType) -> TensorType:
        need_int(indices, "indices")
        if self.depth < 1:
            raise OpError(f"needs `depth` of at least 1, and gets {self.depth}", attribute="depth")
        return tensor(self.dtype, *indices.shape, self.depth)

    def forward(self, xp: Module, indices: Array) -> Array:
        found = from_front(xp, indices, self.depth, "the new axis")
        return (found[..., None] == xp.arange(self.depth)).astype(self.dtype.numpy_name)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(4), draw_ints(5, low=0, high=4))
        yield example(cls(3, DType.F64), draw_ints(2, 3, low=-3, high=3, dtype="i32"))
        yield example(cls(2, DType.I64), draw_ints(2, low=0, high=2))
        yield example(cls(1, DType.BOOL), draw_ints(low=0, high=1))
        yield example(cls(4), draw_ints(0, 2))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs integers", cls(3), tensor("f32", 2))
        yield bad("at least 1, and gets 0", cls(0), tensor("i64", 2))
