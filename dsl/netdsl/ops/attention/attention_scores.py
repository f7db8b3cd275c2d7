"""The weights of attention, in blocks that fit the cache of a CPU, for the forward and backward passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from netdsl.immutable import immutable
from netdsl.ops.attention.softmax import normalised_weights
from netdsl.ops.contract.base import Array, Module
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.blocking import block_sizes


def score_factor(scale: float | None, size: int) -> float:
    """The factor on scores of vectors of this size: `1 / sqrt(size)` unless `scale` is given."""
    return scale if scale is not None else 1 / math.sqrt(max(size, 1))


@immutable
class ScoreBlock:
    """A block of `[B, heads, T, S]`: some batches, key heads with their queries' heads, and queries.

    `keys` are those that at least one of its queries may attend to.
    """

    batch: slice
    groups: slice
    heads: slice
    queries: slice
    keys: slice

    @property
    def of_queries(self) -> tuple[slice, ...]:
        return self.batch, self.heads, self.queries

    @property
    def of_keys(self) -> tuple[slice, ...]:
        return self.batch, self.groups, self.keys

    @property
    def of_scores(self) -> tuple[slice, ...]:
        return (*self.of_queries, self.keys)


def score_blocks(xp: Module, q: Array, k: Array, causal: bool) -> Iterator[ScoreBlock]:
    """Blocks that cover all scores of queries `[B, heads, T, D]` and keys `[B, kv_heads, S, D]`."""
    batch, heads, queries = q.shape[:3]
    groups, keys = k.shape[1:3]
    limit = block_sizes(xp).scores
    of_group = max(heads // groups * queries * keys, 1)
    few = max(limit // (of_group * groups), 1)
    whole = of_group * groups <= limit
    step = queries if of_group <= limit else max(limit // (heads // groups * keys), 1)
    for b in range(0, batch, few):
        for g in [slice(0, groups)] if whole else [slice(n, n + 1) for n in range(groups)]:
            for t in range(0, queries, max(step, 1)):
                end = min(t + step, queries)
                seen = max(min(end + keys - queries, keys), 0) if causal else keys
                head = slice(g.start * (heads // groups), g.stop * (heads // groups))
                yield ScoreBlock(slice(b, b + few), g, head, slice(t, end), slice(0, seen))


@immutable
class Scores:
    """How scores become weights: their scale, the causal mask, the keep-mask and the bias.

    `keep` and `bias` broadcast to `[B, heads, T, S]`, the shape `sizes`.
    """

    xp: Any
    scale: float
    causal: bool
    keep: Array | None
    bias: Array | None
    sizes: tuple[int, ...]

    def scaled(self, q: Array, block: ScoreBlock) -> Array:
        """The block's queries times the scale, `[b, kv_heads, rows, D]`."""
        part = q[block.of_queries]
        part = (numerics.widen(self.xp, part) * self.scale).astype(q.dtype, copy=False)
        return grouped(part, block)

    def weights(self, q: Array, k: Array, block: ScoreBlock) -> Array:
        """The weights of scaled queries on the block's keys, `[b, heads, t, s]`, in f32 at least."""
        xp = self.xp
        scores = numerics.matmul(xp, q, k[block.of_keys].swapaxes(2, 3))
        queries = block.queries.stop - block.queries.start
        scores = scores.reshape(q.shape[0], block.heads.stop - block.heads.start, queries, scores.shape[3])
        if self.bias is not None:
            bias = xp.broadcast_to(self.bias, self.sizes)[block.of_scores]
            scores = numerics.widen(xp, scores) + numerics.widen(xp, bias)
        keep = self._kept(block)
        if keep is not None:
            scores = xp.where(keep, scores, scores.dtype.type(-xp.inf))
        return normalised_weights(xp, scores, (3,))

    def _kept(self, block: ScoreBlock) -> Array | None:
        """Which keys the block's queries may attend to; None for all."""
        xp, (queries, keys) = self.xp, self.sizes[2:]
        keep = None if self.keep is None else xp.broadcast_to(self.keep, self.sizes)[block.of_scores]
        if not self.causal or queries == 1:
            return keep
        last = xp.arange(block.queries.start, block.queries.stop)[:, None] + (keys - queries)
        past = xp.arange(block.keys.stop) <= last
        return past if keep is None else keep & past


def grouped(x: Array, block: ScoreBlock) -> Array:
    """`[b, kv_heads, rows, n]` from `[b, heads, t, n]`: the query heads that share keys as more rows."""
    groups = block.groups.stop - block.groups.start
    rows = x.shape[1] // max(groups, 1) * x.shape[2]
    return x.reshape(x.shape[0], groups, rows, x.shape[3])
