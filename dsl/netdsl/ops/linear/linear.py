"""Products of matrices: `matmul`, and dense layers with a weight."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from netdsl.dims import Dim, product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import broadcast, need_float, need_number, need_rank, need_type, same_dtype
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, reduced_axes
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.types import TensorType, tensor


@operator("matmul", "a", "b")
@immutable
class MatMul(Op):
    """`a @ b`: the product of the matrices in the last two axes; the axes before them broadcast.

    A vector on the left counts as one row, on the right as one column, and that axis is dropped
    from the result. Sums of 16-bit floats are computed in f32.

    Inputs: `a` `[..., N, K]` or `[K]`; `b` `[..., K, M]` or `[K]`; numbers of one element type.

    Source: NumPy's `matmul`; ONNX `MatMul`.
    """

    category = "product"
    is_weight_product = True

    def shape(self, a: TensorType, b: TensorType) -> TensorType:
        need_number(a, "a")
        same_dtype(a, b)
        need_rank(a, 1, "a")
        need_rank(b, 1, "b")
        inner = max(b.rank - 2, 0)
        if a.shape[-1] != b.shape[inner]:
            raise OpError(
                f"cannot multiply {a} with {b}: {a.shape[-1]} columns on the left, "
                f"{b.shape[inner]} rows on the right",
                at=[("a", a.rank - 1), ("b", inner)],
                help="the last axis of `a` must equal the second-last axis of `b`",
            )
        stacks = broadcast(a.with_shape(a.shape[:-2]), b.with_shape(b.shape[:-2]))
        rows = a.shape[-2:-1]
        columns = b.shape[-1:] if b.rank > 1 else ()
        return a.with_shape((*stacks, *rows, *columns))

    def forward(self, xp: Module, a: Array, b: Array) -> Array:
        return numerics.matmul(xp, a, b)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        a, b = need_type(xs[0]), need_type(xs[1])
        rows, columns = a.rank > 1, b.rank > 1
        stacks = y.rank - rows - columns
        left = [axis + stacks - (a.rank - 2) for axis in range(max(a.rank - 2, 0))]
        right = [axis + stacks - (b.rank - 2) for axis in range(max(b.rank - 2, 0))]
        return AxisMap(((*left, *[stacks] * rows, None), (*right, None, *[y.rank - 1] * columns)))

    def cost(self, a: TensorType, b: TensorType) -> Dim:
        return self.shape(a, b).size * a.shape[-1]

    def gradient(self, dy: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
        rows, columns = _matrix(a, 0), _matrix(b, 1)
        wide = dy.reshape(self.shape(rows.type, columns.type).shape)
        da = wide.apply(MatMul(), _turned(columns))
        db = _turned(rows).apply(MatMul(), wide) if columns.rank > 2 else _flat_product(rows, wide)
        return da.sum_to(rows.shape).reshape(a.shape), db.sum_to(columns.shape).reshape(b.shape)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 5), draw(5, 4))
        yield example(cls(), draw(2, 1, 3, 5), draw(6, 5, 4))
        yield example(cls(), draw(2, 3, 5), draw(5, 4))
        yield example(cls(), draw(5), draw(5))
        yield example(cls(), draw(5), draw(2, 5, 4))
        yield example(cls(), draw(2, 3, 5), draw(5))
        yield example(cls(), draw_ints(3, 5, dtype="i32"), draw_ints(5, 2, dtype="i32"))
        yield example(cls(), draw(0, 5), draw(5, 4))
        yield example(cls(), draw(3, 0), draw(0, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        a, b = tensor("f32", 2, 3, 5), tensor("f32", 2, 5, 4)
        yield bad("needs numbers", cls(), tensor("bool", 3, 5), tensor("bool", 5, 4))
        yield bad("f32 and f64", cls(), a, tensor("f64", 5, 4))
        yield bad("at least 1 axes, but `a`", cls(), tensor("f32"), b)
        yield bad("at least 1 axes, but `b`", cls(), a, tensor("f32"))
        yield bad("5 columns on the left, 6 rows on the right", cls(), a, tensor("f32", 6, 4))
        yield bad("5 columns on the left, 6 rows on the right", cls(), a, tensor("f32", 6))
        yield bad("2 on the left and 7 on the right", cls(), a, tensor("f32", 7, 5, 4))


@operator("linear", "x", "weight", "bias?")
@immutable
class Linear(Op):
    """`x @ weight + bias` over the last axis: a fully connected layer.

    Inputs: `x` `[..., I]`; `weight` `[I, O]`; `bias` `[O]`; floats of one element type. The result
    is `[..., O]`. Note the layout of `weight`: inputs first.

    Source: ONNX `Gemm`, `MatMul` and `Add`.
    """

    category = "product"
    is_weight_product = True

    def shape(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
        need_float(x)
        same_dtype(x, weight, ("x", "weight"))
        need_rank(x, 1)
        if weight.rank != 2:
            raise OpError(f"needs a weight [inputs, outputs], but `weight` is {weight}", at=["weight"])
        if x.shape[-1] != weight.shape[0]:
            raise OpError(
                f"got {x.shape[-1]} features, but its weight {weight} takes {weight.shape[0]}",
                at=[("x", x.rank - 1), ("weight", 0)],
                help="the last axis of `x` must equal the first axis of `weight`",
            )
        if bias is not None:
            same_dtype(x, bias, ("x", "bias"))
            if bias.shape != weight.shape[1:]:
                raise OpError(
                    f"has {weight.shape[1]} output features, but `bias` is {bias}", at=[("weight", 1), "bias"]
                )
        return x.with_shape((*x.shape[:-1], weight.shape[1]))

    def forward(self, xp: Module, x: Array, weight: Array, bias: Array | None = None) -> Array:
        rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])  # one product instead of one per matrix
        y = numerics.matmul(xp, rows, weight)
        if bias is not None:
            y += bias
        return y.reshape(*x.shape[:-1], weight.shape[1])

    def gradient(
        self, dy: Value, y: Value, x: Value, weight: Value, bias: Value | None = None
    ) -> tuple[Value, Value, Value | None]:
        dx = dy.apply(Linear(), weight.transpose([1, 0]))
        dw = _flat_product(_matrix(x, 0), _matrix(dy, 0))
        return dx, dw, None if bias is None else dy.sum(range(dy.rank - 1))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap(((*range(y.rank - 1), None), *reduced_axes(xs[1:])))

    def cost(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> Dim:
        return product(x.shape) * weight.shape[1]

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(3, 5), draw(5, 4), draw(4))
        yield example(cls(), draw(2, 3, 5), draw(5, 4))
        yield example(cls(), draw(2, 3, 1, 5), draw(5, 4), draw(4))
        yield example(cls(), draw(5), draw(5, 4), draw(4))
        yield example(cls(), draw(0, 5), draw(5, 4), draw(4))
        yield example(cls(), draw(2, 3, 0), draw(0, 4), draw(4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x, weight = tensor("f32", 2, 5), tensor("f32", 5, 4)
        yield bad("floating-point", cls(), tensor("i32", 2, 5), tensor("i32", 5, 4))
        yield bad("f32 and f64", cls(), x, tensor("f64", 5, 4))
        yield bad("f32 and f16", cls(), x, weight, tensor("f16", 4))
        yield bad("at least 1 axes", cls(), tensor("f32"), weight)
        yield bad("[inputs, outputs]", cls(), x, tensor("f32", 5, 4, 1))
        yield bad("got 5 features, but its weight f32[4, 5] takes 4", cls(), x, tensor("f32", 4, 5))
        yield bad("has 4 output features, but `bias` is f32[5]", cls(), x, weight, tensor("f32", 5))


def _matrix(x: Value, axis: int) -> Value:
    """A vector as a matrix of one row (axis 0) or of one column (axis 1); others unchanged."""
    if x.rank > 1:
        return x
    return x.reshape([1, *x.shape] if axis == 0 else [*x.shape, 1])


def _turned(x: Value) -> Value:
    """The matrices in the last two axes transposed."""
    return x.transpose([*range(x.rank - 2), x.rank - 1, x.rank - 2])


def _flat_product(a: Value, b: Value) -> Value:
    """`a^T @ b` with all axes but the last merged into rows: one product instead of one per matrix."""
    rows = product(a.shape[:-1])
    return a.reshape([rows, a.shape[-1]]).transpose([1, 0]).apply(MatMul(), b.reshape([rows, b.shape[-1]]))
