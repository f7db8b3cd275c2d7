"""KV caches in the layout that the attention kernel reads, so that nothing is packed again for each token.

A cache has room for R blocks of 16 positions, of which the first ones are filled: `past` `i64[1]` says how
many. Keys are `[B, heads, R, D, 16]`, the positions of a block beside each other; values are
`[B, heads, N, 16 R, 16]`, in N blocks of 16 features. Only the rewriting for caches makes these operators;
their `forward` says what they mean.
"""

from __future__ import annotations

from typing import ClassVar

from netdsl.immutable import immutable
from netdsl.ops.attention.attention import Attention
from netdsl.ops.contract.base import Array, Category, Module, Op
from netdsl.types import TensorType

BLOCK = 16


@immutable
class AppendPacked(Op):
    """Writes the keys or the values `[B, heads, T, D]` of new positions after the past ones, in place."""

    name = "append_packed"
    inputs = ("room", "new", "past")
    category: ClassVar[Category] = "plain"

    keys: bool

    def shape(self, room: TensorType, new: TensorType, past: TensorType) -> TensorType:
        return room

    def forward(self, xp: Module, room: Array, new: Array, past: Array) -> Array:
        positions = int(past[0]) + xp.arange(new.shape[2])
        if self.keys:
            room[:, :, positions // BLOCK, :, positions % BLOCK] = new.transpose(2, 0, 1, 3)
        else:
            for block in range(room.shape[2]):
                part = new[..., BLOCK * block : BLOCK * (block + 1)]
                room[:, :, block, positions, : part.shape[-1]] = part
        return room


@immutable
class CachedAttention(Op):
    """Attention of new positions to all positions so far, whose values have `width` features."""

    name = "cached_attention"
    inputs = ("q", "keys", "values", "past")
    category: ClassVar[Category] = "attention"

    attention: Attention
    width: int

    def shape(self, q: TensorType, keys: TensorType, values: TensorType, past: TensorType) -> TensorType:
        return q.with_shape((*q.shape[:3], self.width))

    def forward(self, xp: Module, q: Array, keys: Array, values: Array, past: Array) -> Array:
        batch, heads, blocks, size, _ = keys.shape
        count = int(past[0]) + q.shape[2]
        k = keys.swapaxes(3, 4).reshape(batch, heads, blocks * BLOCK, size)
        v = values.swapaxes(2, 3).reshape(batch, heads, blocks * BLOCK, -1)
        return self.attention.forward(xp, q, k[:, :, :count], v[:, :, :count, : self.width])
