"""The largest or smallest elements along an axis."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.assuming import AT_LEAST, assume
from netdsl.ops.contract.base import (
    Array,
    Axis,
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
from netdsl.ops.contract.rules import need_number, normal_axis
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, aligned_map
from netdsl.ops.contract.value import Value
from netdsl.ops.index.gather import GatherElementsGradient
from netdsl.ops.numerics.functions import widen
from netdsl.types import DType, TensorType, tensor


@operator("top_k", "x")
@immutable
class TopK(Op):
    """The `k` largest or smallest elements along an axis, in order, and their positions.

    Args:
        k: The number of elements, at most the size of the axis.
        axis: The axis to search; the last one by default.
        largest: Whether to return the largest, in descending order, or the smallest, in ascending order.

    Inputs: `x`, numbers of any shape with that axis. Equal elements keep their order. NaN
    counts as larger than any number.

    Outputs: the values, and their positions on the axis as i64. Source: ONNX TopK with `sorted=1`.
    """

    category = "plain"

    k: int
    axis: Axis = -1
    largest: bool = True

    def shape(self, x: TensorType) -> tuple[TensorType, TensorType]:
        need_number(x)
        axis = normal_axis(self.axis, x.rank)
        if self.k < 0 or x.shape[axis].compare(self.k) == -1:
            raise OpError(
                f"cannot take {self.k} elements of axis {axis}, which has size {x.shape[axis]}",
                at=[("x", axis)],
                attribute="k",
            )
        assume(AT_LEAST, x.shape[axis], self.k)
        values = x.with_shape([*x.shape[:axis], self.k, *x.shape[axis + 1 :]])
        return values, values.with_dtype(DType.I64)

    def forward(self, xp: Module, x: Array) -> tuple[Array, Array]:
        size = x.shape[self.axis]
        if self.k > size:
            raise DataError(f"cannot take {self.k} elements of axis {self.axis}, which has size {size}")
        rows = xp.moveaxis(x, self.axis, -1)
        keys = widen(xp, rows)  # CuPy does not sort bf16
        if self.largest:  # a stable sort of the reversed rows, read backwards, keeps equal elements in order
            order = size - 1 - xp.argsort(keys[..., ::-1], axis=-1, kind="stable")[..., ::-1]
        else:
            order = xp.argsort(keys, axis=-1, kind="stable")
        order = order[..., : self.k].astype(xp.int64)
        values = xp.take_along_axis(rows, order, axis=-1)
        return xp.moveaxis(values, -1, self.axis), xp.moveaxis(order, -1, self.axis)

    def gradient(self, dy: tuple[Value | None, None], y: tuple[Value, Value], x: Value) -> Value | None:
        flow, (_, positions) = dy[0], y
        return None if flow is None else flow.apply(GatherElementsGradient(self.axis, x.shape), positions)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return aligned_map(xs, y, self.axis)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(3), draw(2, 5))
        yield example(cls(2, 0), draw(4, 3))
        yield example(cls(4, 1, False), draw(2, 6, 3))
        yield example(cls(5), draw_ints(3, 9, low=0, high=3))
        yield example(cls(5, largest=False), draw_ints(3, 9, low=0, high=3))
        yield example(cls(0), draw(2, 3))
        yield example(cls(2), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("4 elements of axis 1, which has size 3", cls(4), tensor("f32", 2, 3))
        yield bad("-1 elements", cls(-1), tensor("f32", 2, 3))
        yield bad("needs numbers", cls(1), tensor("bool", 2, 3))
        yield bad("axis 2", cls(1, 2), tensor("f32", 2, 3))
        yield bad("no axes", cls(1), tensor("f32"))
