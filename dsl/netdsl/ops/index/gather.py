"""Operators that read elements at the positions in other arrays, and their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from netdsl.dims import Dim, dim, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    Axis,
    BadExample,
    Example,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import need_int, need_type, normal_axis, sizes
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, same_axes
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.indexing import add_at, from_front, grid, need_room
from netdsl.types import DType, TensorType, shape_text, tensor


@operator("gather", "x", "indices")
@immutable
class Gather(Op):
    """The slices of `x` along `axis` at `indices`: an embedding lookup for `axis=0`.

    Args:
        axis: The axis of `x` to index.
        from_end: Whether negative indices count from the end; otherwise they are an error.

    Inputs: `x`, any shape with that axis; `indices`, integers of any shape, in `[-n, n)` for an axis of
    size `n`. The shape of `indices` replaces the axis.

    Source: ONNX Gather.
    """

    data_help = (
        "an index must be below the size of the axis: give the table, such as an `Embedding`, more rows than "
        "the largest id, or correct the ids"
    )
    category = "product"

    axis: Axis = 0
    from_end: bool = True

    def shape(self, x: TensorType, indices: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        need_int(indices, "indices")
        return x.with_shape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])

    def forward(self, xp: Module, x: Array, indices: Array) -> Array:
        axis = self.axis % x.ndim
        places = from_front(xp, indices, x.shape[axis], f"axis {axis}", from_end=self.from_end)
        return xp.asarray(xp.take(x, places, axis=axis))

    def gradient(self, dy: Value, y: Value, x: Value, indices: Value) -> tuple[Value, None]:
        axis = self.axis % x.rank
        return dy.apply(GatherGradient(axis, x.shape[axis]), indices), None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x, indices = need_type(xs[0]), need_type(xs[1])
        axis = self.axis % x.rank
        after = [n + indices.rank - 1 for n in range(axis + 1, x.rank)]
        return AxisMap(((*range(axis), None, *after), tuple(axis + n for n in range(indices.rank))))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(5, 3), draw_ints(4, low=0, high=5))
        yield example(cls(), draw(5, 3), draw_ints(2, 4, low=-5, high=5))
        yield example(cls(1), draw(2, 5, 3), draw_ints(2, 2, low=0, high=5, dtype="i32"))
        yield example(cls(-1), draw_ints(2, 5), draw_ints(low=0, high=5))
        yield example(cls(), draw(5), draw_ints(low=0, high=5))
        yield example(cls(0, False), draw(5, 3), draw_ints(4, low=0, high=5))
        yield example(cls(), draw(5, 3), draw_ints(0, 2))
        yield example(cls(1), draw(0, 5), draw_ints(2, low=0, high=5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs integers", cls(), tensor("f32", 5), tensor("f32", 2))
        yield bad("axis 2", cls(2), tensor("f32", 5, 3), tensor("i64", 2))
        yield bad("no axes", cls(), tensor("f32"), tensor("i64", 2))


@operator("gather_gradient", "dy", "indices", internal=True)
@immutable
class GatherGradient(Op):
    """Zeros with `dy` added at the slices that `gather` takes: the gradient of an embedding table.

    Args:
        axis: The axis that `gather` indexes, counted from the front.
        size: The size of that axis.

    Inputs: `dy`, shaped as the result of `gather`; `indices`, as in `gather`.
    """

    category = "plain"

    axis: int
    size: Dim

    def shape(self, dy: TensorType, indices: TensorType) -> TensorType:
        need_int(indices, "indices")
        end = self.axis + indices.rank
        if dy.shape[self.axis : end] != indices.shape:
            raise OpError(
                f"needs the axes of `indices` from axis {self.axis} of `dy` on, but got {dy} and {indices}",
                at=["dy", "indices"],
            )
        return dy.with_shape([*dy.shape[: self.axis], self.size, *dy.shape[end:]])

    def forward(self, xp: Module, dy: Array, indices: Array) -> Array:
        before, after = dy.shape[: self.axis], dy.shape[self.axis + indices.ndim :]
        size, run = int(self.size), prod(after)
        positions = from_front(xp, indices, size, f"axis {self.axis}").reshape(-1, 1)
        rows = xp.arange(prod(before)).reshape(-1, 1, 1) * size + positions
        sums = add_at(xp, dy, rows * run + xp.arange(run), prod(before) * size * run)
        return sums.reshape(*before, size, *after)

    def gradient(self, dy: Value, y: Value, inner: Value, indices: Value) -> tuple[Value, None]:
        return dy.apply(Gather(self.axis), indices), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(0, dim(5)), draw(4, 3), draw_ints(4, low=-5, high=5))
        yield example(cls(1, dim(5)), draw(2, 2, 2, 3), draw_ints(2, 2, low=0, high=5, dtype="i32"))
        yield example(cls(0, dim(5)), draw(3), draw_ints(low=0, high=5))
        yield example(cls(0, dim(5)), draw(0, 3), draw_ints(0))
        yield example(cls(1, dim(5)), draw(0, 2), draw_ints(2, low=0, high=5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs integers", cls(0, dim(5)), tensor("f32", 2), tensor("f32", 2))
        yield bad("axes of `indices`", cls(0, dim(5)), tensor("f32", 2, 3), tensor("i64", 3))


@operator("gather_elements", "x", "indices")
@immutable
class GatherElements(Op):
    """One element of `x` for each index: `y[i, j] = x[indices[i, j], j]` for `axis=0` of two.

    Args:
        axis: The axis of `x` to index.
        from_end: Whether negative indices count from the end; otherwise they are an error.

    Inputs: `x`, any shape; `indices`, integers with as many axes, no longer than `x` on the other axes,
    in `[-n, n)` for an axis of size `n`. The result is shaped as `indices`.

    Source: ONNX GatherElements.
    """

    category = "product"

    axis: Axis = 0
    from_end: bool = True

    def shape(self, x: TensorType, indices: TensorType) -> TensorType:
        axis = normal_axis(self.axis, x.rank)
        need_int(indices, "indices")
        need_room(x, indices, axis)
        return indices.with_dtype(x.dtype)

    def forward(self, xp: Module, x: Array, indices: Array) -> Array:
        axis = self.axis % x.ndim
        places = from_front(xp, indices, x.shape[axis], f"axis {axis}", from_end=self.from_end)
        return x[grid(xp, places, axis)]

    def gradient(self, dy: Value, y: Value, x: Value, indices: Value) -> tuple[Value, None]:
        return dy.apply(GatherElementsGradient(self.axis, x.shape), indices), None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        x = need_type(xs[0])
        axis = self.axis % x.rank
        here = tuple(n if n != axis and x.shape[n] == y.shape[n] else None for n in range(x.rank))
        return AxisMap((here, same_axes(y.rank)))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 4), draw_ints(2, 4, low=-3, high=3))
        yield example(cls(1), draw(3, 4), draw_ints(2, 6, low=0, high=4, dtype="i32"))
        yield example(cls(-1), draw_ints(2, 3, 4), draw_ints(2, 3, 1, low=0, high=4))
        yield example(cls(), draw(3), draw_ints(5, low=0, high=3))
        yield example(cls(0, False), draw(3), draw_ints(5, low=0, high=3))
        yield example(cls(), draw(3, 4), draw_ints(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs integers", cls(), tensor("f32", 5), tensor("f32", 2))
        yield bad("axis 1 is 5, not at most 4", cls(), tensor("f32", 3, 4), tensor("i64", 2, 5))
        yield bad("axis 1 is B, not at most 4", cls(), tensor("f32", 3, 4), tensor("i64", 2, symbol("B")))
        yield bad("as many axes", cls(), tensor("f32", 3, 4), tensor("i64", 3))
        yield bad("axis 2", cls(2), tensor("f32", 3, 4), tensor("i64", 3, 4))


@operator("gather_elements_gradient", "dy", "indices", internal=True)
@immutable
class GatherElementsGradient(Op):
    """Zeros with `dy` added at the elements that `gather_elements` takes.

    Args:
        axis: The axis that `gather_elements` indexes.
        sizes: The sizes of its `x`.

    Inputs: `dy`, shaped as `indices`; `indices`, as in `gather_elements`.
    """

    category = "plain"

    axis: Axis
    sizes: Sizes

    def shape(self, dy: TensorType, indices: TensorType) -> TensorType:
        need_int(indices, "indices")
        x = dy.with_shape(self.sizes)
        need_room(x, indices, normal_axis(self.axis, x.rank))
        if dy.shape != indices.shape:
            both = f"{shape_text(dy.shape)} and {shape_text(indices.shape)}"
            raise OpError(f"needs `dy` shaped as `indices`, but got {both}", at=["dy", "indices"])
        return x

    def forward(self, xp: Module, dy: Array, indices: Array) -> Array:
        axis, shape = self.axis % dy.ndim, tuple(int(size) for size in self.sizes)
        where = grid(xp, from_front(xp, indices, shape[axis], f"axis {axis}"), axis)
        positions: Array = 0
        for size, coordinates in zip(shape, where, strict=True):
            positions = positions * size + coordinates
        return add_at(xp, dy, positions, prod(shape)).reshape(shape)

    def gradient(self, dy: Value, y: Value, inner: Value, indices: Value) -> tuple[Value, None]:
        return dy.apply(GatherElements(self.axis), indices), None

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(0, sizes(3, 4)), draw(2, 4), draw_ints(2, 4, low=-3, high=3))
        yield example(cls(1, sizes(3, 4)), draw(2, 6), draw_ints(2, 6, low=0, high=4, dtype="i32"))
        yield example(cls(-1, sizes(2, 3, 4)), draw(2, 3, 1), draw_ints(2, 3, 1, low=0, high=4))
        yield example(cls(0, sizes(3, 4)), draw(0, 4), draw_ints(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        y = tensor("f32", 3, 4)
        yield bad("needs integers", cls(0, sizes(3, 4)), y, y)
        yield bad("axis 1 is 4, not at most 3", cls(0, sizes(3, 3)), y, tensor("i64", 3, 4))
        yield bad("shaped as `indices`", cls(0, sizes(3, 4)), y, tensor("i64", 2, 4))


@operator("one_hot", "indices")
@immutable
class OneHot(Op):
    """A new last axis of size `depth` that is 1 at the index and 0 elsewhere.

    Args:
        depth: The number of classes, at least 1.
        dtype: The element type of the result; `bool` is allowed.

    Inputs: `indices`, integers of any shape in `[-depth, depth)`, negative ones counted from the end.

    Source: ONNX OneHot, except that an index out of range is an error.
    """

    category = "product"
    no_gradient = "takes positions"

    depth: int
    dtype: DType = DType.F32

    def shape(self, indices: TensorType) -> TensorType:
        need_int(indices, "indices")
        if self.depth < 1:
            raise OpError(f"needs `depth` of at least 1, but got {self.depth}", attribute="depth")
        return tensor(self.dtype, *indices.shape, self.depth)

    def forward(self, xp: Module, indices: Array) -> Array:
        positions = from_front(xp, indices, self.depth, "the new axis")
        return (positions[..., None] == xp.arange(self.depth)).astype(self.dtype.numpy_name)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap((same_axes(y.rank - 1),))

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
        yield bad("at least 1, but got 0", cls(0), tensor("i64", 2))
