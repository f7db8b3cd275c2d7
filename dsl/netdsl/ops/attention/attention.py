"""Scaled dot-product attention."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.ops.attention.attention_gradient import AttentionGradient
from netdsl.ops.attention.attention_scores import Scores, grouped, score_blocks, score_factor
from netdsl.ops.attention.attention_shapes import attention_shape
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, bad, example, operator
from netdsl.ops.contract.rules import need_both_or_neither, need_type
from netdsl.ops.contract.samples import draw, draw_bools
from netdsl.ops.contract.time import AxisMap, InputMap, InputTypes, TimeAxis
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.types import TensorType, tensor


@operator("attention", "q", "k", "v", "keep?", "bias?")
@immutable
class Attention(Op):
    """`softmax(scale * q @ k^T + bias) @ v` for every head: scaled dot-product attention.

    With fewer key heads than query heads, each serves a group of neighbouring query heads. The
    weights are computed in f32 at least. The output of a query that may attend to nothing is 0, never NaN.

    Args:
        scale: The factor on the scores; default: `1 / sqrt(D)`.
        causal: Whether query `t`, at position `t + S - T`, attends only to positions up to its own.
            The last query sees all keys, including those of a cached prefix.

    Inputs: `q` `[B, heads, T, D]`; `k` `[B, kv_heads, S, D]`; `v` `[B, kv_heads, S, E]`, where
    `kv_heads` divides `heads`; `keep`, booleans that broadcast to `[B, heads, T, S]`, true
    where a query may attend; `bias`, added to the scores, of the same shape and the type of `q`.
    The result is `[B, heads, T, E]`.

    Source: Vaswani et al. 2017; groups of heads by Ainslie et al. 2023; ONNX `Attention`.
    """

    category = "attention"

    scale: float | None = None
    causal: bool = False

    def shape(
        self,
        q: TensorType,
        k: TensorType,
        v: TensorType,
        keep: TensorType | None = None,
        bias: TensorType | None = None,
    ) -> TensorType:
        return attention_shape(q, k, v, keep, bias)

    def forward(
        self, xp: Module, q: Array, k: Array, v: Array, keep: Array | None = None, bias: Array | None = None
    ) -> Array:
        batch, heads, queries = q.shape[:3]
        factor = score_factor(self.scale, q.shape[3])
        scores = Scores(xp, factor, self.causal, keep, bias, (*q.shape[:3], k.shape[2]))
        y = xp.empty((batch, heads, queries, v.shape[3]), dtype=q.dtype)
        for block in score_blocks(xp, q, k, self.causal):
            weights = scores.weights(scores.scaled(q, block), k, block).astype(q.dtype, copy=False)
            averages = numerics.matmul(xp, grouped(weights, block), v[block.of_keys])
            y[block.of_queries] = averages.reshape(y[block.of_queries].shape)
        return y

    def gradient(
        self, dy: Value, y: Value, q: Value, k: Value, v: Value, *masks: Value | None
    ) -> tuple[Value | None, ...]:
        keep, bias = masks
        dq, dk, dv, *dbias = dy.apply_all(AttentionGradient(self.scale, self.causal), q, k, v, keep, bias)
        return dq, dk, dv, None, dbias[0] if dbias else None

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        scores: InputMap = (0, 1, 2, None)
        masks = [scores[4 - x.rank :] if x else () for x in xs[3:]]
        return AxisMap(((0, 1, 2, None), (0, 1, None, None), (0, 1, None, 3), *masks))

    def check_time_axes(self, xs: InputTypes, time: TimeAxis) -> None:
        """A causal query counts its position back from the last key."""
        if self.causal:
            need_both_or_neither(time, need_type(xs[0]).shape[2], need_type(xs[1]).shape[2])

    def cost(
        self,
        q: TensorType,
        k: TensorType,
        v: TensorType,
        keep: TensorType | None = None,
        bias: TensorType | None = None,
    ) -> Dim:
        return q.size * k.shape[2] + self.shape(q, k, v).size * k.shape[2]

    @classmethod
    def examples(cls) -> Iterable[Example]:
        q, k, v = draw(2, 4, 3, 8), draw(2, 4, 5, 8), draw(2, 4, 5, 6)
        yield example(cls(), q, k, v)
        yield example(cls(scale=0.5), draw(2, 4, 3, 8, low=-20, high=20), k, v)
        yield example(cls(causal=True), q, k, v)
        yield example(cls(causal=True), q, draw(2, 2, 3, 8), draw(2, 2, 3, 8))
        yield example(cls(causal=True), draw(2, 2, 5, 4), draw(2, 1, 3, 4), draw(2, 1, 3, 4))
        yield example(cls(causal=True), draw(1, 2, 1, 4), draw(1, 2, 3, 4), draw(1, 2, 3, 4))
        yield example(cls(), q, k, v, draw_bools(2, 1, 3, 5))
        yield example(cls(), q, k, v, draw_bools(2, 1, 1, 5), draw(4, 3, 5))
        yield example(cls(causal=True), q, k, v, draw_bools(3, 5), draw(5))
        yield example(cls(), q, draw(2, 1, 5, 8), draw(2, 1, 5, 6), None, draw(1, 4, 1, 5))
        yield example(cls(), draw(0, 4, 3, 8), draw(0, 4, 5, 8), draw(0, 4, 5, 6))
        yield example(cls(), q, draw(2, 4, 0, 8), draw(2, 4, 0, 6))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        q, k, v = tensor("f32", 2, 4, 3, 8), tensor("f32", 2, 2, 5, 8), tensor("f32", 2, 2, 5, 6)
        whole = tensor("i32", 2, 4, 3, 8)
        yield bad("floating-point", cls(), whole, whole, whole)
        yield bad("f32 and f64", cls(), q, k, tensor("f64", 2, 2, 5, 6))
        yield bad("queries [B, heads, T, D]", cls(), tensor("f32", 4, 3, 8), k, v)
        yield bad("keys [B, kv_heads, S, D]", cls(), q, tensor("f32", 2, 5, 8), v)
        yield bad("values [B, kv_heads, S, E]", cls(), q, k, tensor("f32", 2, 5, 8))
        yield bad("2 in `q`", cls(), q, tensor("f32", 3, 2, 5, 8), v)
        yield bad("9 in `k`", cls(), q, tensor("f32", 2, 2, 5, 9), v)
        yield bad("one batch size, but got 2 in `k`", cls(), q, k, tensor("f32", 1, 2, 5, 6))
        yield bad("key and value heads, but got 2 in `k`", cls(), q, k, tensor("f32", 2, 1, 5, 6))
        yield bad("keys and values, but got 5 in `k`", cls(), q, k, tensor("f32", 2, 2, 4, 6))
        yield bad("4 query heads evenly among 3 key heads", cls(), q, *[tensor("f32", 2, 3, 5, 8)] * 2)
        yield bad("4 query heads evenly among 0 key heads", cls(), q, *[tensor("f32", 2, 0, 5, 8)] * 2)
        yield bad("true or false", cls(), q, k, v, tensor("f32", 3, 5))
        yield bad("`keep` is bool[1, 2, 4, 3, 5]", cls(), q, k, v, tensor("bool", 1, 2, 4, 3, 5))
        yield bad("4 on the left and 5 on the right", cls(), q, k, v, tensor("bool", 3, 4))
        yield bad("f32 and f64", cls(), q, k, v, None, tensor("f64", 3, 5))
        yield bad("`bias` is f32[7, 1, 2, 4, 3, 5]", cls(), q, k, v, None, tensor("f32", 7, 1, 2, 4, 3, 5))
