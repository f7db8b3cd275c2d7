"""The gradient of attention, which recomputes the weights block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.ops.attention.attention_scores import ScoreBlock, Scores, grouped, score_blocks, score_factor
from netdsl.ops.attention.attention_shapes import attention_shape
from netdsl.ops.attention.softmax import Softmax
from netdsl.ops.attention.softmax_gradient import SoftmaxGradient
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.samples import draw, draw_bools
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Range
from netdsl.ops.elementwise.comparison import LogicalAnd
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.numerics import functions as numerics
from netdsl.types import DType, TensorType, tensor


@operator("attention_gradient", "dy", "q", "k", "v", "keep?", "bias?", internal=True)
@immutable
class AttentionGradient(Op):
    """The gradients of `attention` with respect to `q`, `k` and `v`, and `bias` if there is one.

    The weights are not kept from the forward pass but recomputed in blocks, so that memory does not grow
    with the product of the numbers of queries and keys.

    Args:
        scale, causal: As in `attention`.

    Inputs: `dy`, shaped as the result of `attention`; the others as in `attention`.

    Source: Dao et al., "FlashAttention", NeurIPS 2022, section 3.1 and appendix B.2.
    """

    category = "plain"

    scale: float | None = None
    causal: bool = False

    def shape(
        self,
        dy: TensorType,
        q: TensorType,
        k: TensorType,
        v: TensorType,
        keep: TensorType | None = None,
        bias: TensorType | None = None,
    ) -> tuple[TensorType, ...]:
        result = attention_shape(q, k, v, keep, bias)
        if result != dy:
            raise OpError(f"needs `dy` {result}, but got {dy}", at=["dy"])
        return (q, k, v) if bias is None else (q, k, v, bias)

    def forward(
        self, xp: Module, dy: Array, q: Array, k: Array, v: Array, *masks: Array | None
    ) -> tuple[Array, ...]:
        keep, bias = (*masks, None, None)[:2]
        kind = xp.float32 if q.dtype.itemsize == 2 else q.dtype
        sizes = (*q.shape[:3], k.shape[2])
        scores = Scores(xp, score_factor(self.scale, q.shape[3]), self.causal, keep, bias, sizes)
        sums = [xp.zeros(x.shape, dtype=kind) for x in (q, k, v)]
        dbias = None if bias is None else xp.zeros((*[1] * (4 - bias.ndim), *bias.shape), dtype=kind)
        for block in score_blocks(xp, q, k, self.causal):
            flow = self._back(xp, scores, block, (dy, q, k, v), sums)
            if dbias is not None:
                _add_bias(xp, dbias, flow, block)
        gradients = [*sums, *([] if bias is None or dbias is None else [dbias.reshape(bias.shape)])]
        return tuple(x.astype(q.dtype, copy=False) for x in gradients)

    def _back(
        self, xp: Module, scores: Scores, block: ScoreBlock, arrays: Sequence[Array], sums: Sequence[Array]
    ) -> Array:
        """Add the gradients through a block of scores; return the gradient with respect to the scores."""
        dy, q, k, v = arrays
        dq, dk, dv = sums
        rows_q = scores.scaled(q, block)
        weights = scores.weights(rows_q, k, block)
        rows_q, keys = numerics.widen(xp, rows_q), numerics.widen(xp, k[block.of_keys])
        rows_dy = grouped(numerics.widen(xp, dy[block.of_queries]), block)
        rows = grouped(weights, block)
        dv[block.of_keys] += xp.matmul(rows.swapaxes(2, 3), rows_dy)
        flow = xp.matmul(rows_dy, numerics.widen(xp, v[block.of_keys]).swapaxes(2, 3))
        flow -= numerics.dots(xp, flow, rows)[..., None]
        flow *= rows
        dk[block.of_keys] += xp.matmul(flow.swapaxes(2, 3), rows_q)
        into = xp.matmul(flow, keys)
        into *= scores.scale
        dq[block.of_queries] = into.reshape(dq[block.of_queries].shape)
        return flow.reshape(weights.shape)

    def in_parts(
        self, dy: Value, q: Value, k: Value, v: Value, keep: Value | None = None, bias: Value | None = None
    ) -> tuple[Value, ...]:
        batch, heads, queries, size = q.shape
        groups, keys = k.shape[1], k.shape[2]
        shape = (batch, heads, queries, keys)
        share = heads.exact_divide(groups)
        assert share is not None

        scale = q.widened().constant(size) ** -0.5 if self.scale is None else q.widened().constant(self.scale)

        def rows(x: Value) -> Value:
            return x.reshape((batch, groups, share * queries, x.shape[3]))

        wide_q, wide_k, wide_v, flow = (x.widened() for x in (rows(q), k, v, rows(dy)))
        scores = (wide_q * scale).apply(MatMul(), wide_k.transpose((0, 1, 3, 2))).reshape(shape)
        if bias is not None:
            scores = scores + bias.widened()
        weights = scores.apply(Softmax((3,)), self._kept(q, queries, keys, keep))
        dweights = flow.apply(MatMul(), wide_v.transpose((0, 1, 3, 2))).reshape(shape)
        dscores = dweights.apply(SoftmaxGradient((3,)), weights)
        grouped_scores, grouped_weights = rows(dscores), rows(weights)
        dq = (grouped_scores.apply(MatMul(), wide_k) * scale).reshape(q.shape)
        dk = grouped_scores.transpose((0, 1, 3, 2)).apply(MatMul(), wide_q * scale)
        dv = grouped_weights.transpose((0, 1, 3, 2)).apply(MatMul(), flow)
        dbias = () if bias is None else (dscores.sum_to(bias.shape),)
        return tuple(x.cast(q.dtype) for x in (dq, dk, dv, *dbias))

    def _kept(self, like: Value, queries: Dim, keys: Dim, keep: Value | None) -> Value | None:
        if not self.causal:
            return keep
        last = like.make(Range(queries)).reshape((queries, 1)) + like.constant(keys - queries, (), DType.I64)
        past = like.make(Range(keys)) <= last
        return past if keep is None else keep.apply(LogicalAnd(), past)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        q, k, v, dy = draw(2, 4, 3, 2), draw(2, 2, 3, 2), draw(2, 2, 3, 3), draw(2, 4, 3, 3)
        yield example(cls(0.5), dy, q, k, v)
        yield example(cls(0.7, True), dy, q, k, v)
        yield example(cls(0.7, True), dy, q, draw(2, 1, 2, 2), draw(2, 1, 2, 3))
        yield example(cls(0.5), dy, q, k, v, draw_bools(2, 1, 3, 3))
        yield example(cls(0.5, True), dy, q, k, v, draw_bools(3, 3), draw(4, 1, 3))
        yield example(cls(0.5), dy, q, k, v, None, draw(1, 4, 1, 3))
        yield example(cls(0.5), draw(0, 4, 3, 3), draw(0, 4, 3, 2), draw(0, 4, 5, 2), draw(0, 4, 5, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        q, v = tensor("f32", 2, 4, 3, 8), tensor("f32", 2, 4, 5, 8)
        yield bad("needs `dy` f32[2, 4, 3, 8]", cls(1.0), tensor("f64", 2, 4, 3, 8), q, v, v)
        yield bad("needs `dy` f32[2, 4, 3, 8]", cls(1.0), v, q, v, v)
        few = tensor("f32", 2, 3, 5, 8)
        yield bad("4 query heads evenly among 3 key heads", cls(1.0), q, q, few, few)


def _add_bias(xp: Module, total: Array, flow: Array, block: ScoreBlock) -> None:
    """Add the gradient of a block of scores to that of a bias, which may have size 1 on any axis."""
    once = [size == 1 for size in total.shape]
    place = tuple(slice(None) if one else part for one, part in zip(once, block.of_scores, strict=True))
    axes = tuple(axis for axis, one in enumerate(once) if one)
    total[place] += xp.sum(flow, axis=axes, keepdims=True)
