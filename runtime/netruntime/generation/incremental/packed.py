"""A rule for KV caches on the native engine: they are kept as its attention reads them.

Otherwise the keys and values of all past positions would be packed again for each token. The cache of keys or
values that nothing but one attention reads is packed; the sizes of the graph then depend on the room of the
caches alone, and how many positions are filled is an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.dims import symbol
from netdsl.graph import Node
from netdsl.model import Input
from netdsl.ops.attention.attention import Attention
from netdsl.ops.contract.value import Value
from netdsl.types import DType, tensor
from netruntime.engine.passes.rewrite import RewriteTape, rewrite
from netruntime.generation.incremental.build import Append, Cache, Incremental
from netruntime.native.fused import AppendPacked, CachedAttention
from netruntime.native.fused.caches import BLOCK

ROOM = "blocks of positions"
"""The symbol of the blocks that packed caches have room for; not a valid name in a `.net` file."""
FILLED = "filled positions"
"""The input that says how many positions are filled, `i64[1]`."""


def pack_caches(incremental: Incremental) -> Incremental:
    """The same computation with packed caches where attention reads them."""
    rule = _Packing({cache.name: cache for cache in incremental.caches})
    ports = [*incremental.outputs.values(), *(carry.port for carry in incremental.carries)]
    rewritten = rewrite(incremental.graph, [rule], ports, named=False)
    if rule.past is None:
        return incremental
    moved = rewritten.moved
    return replace(
        incremental,
        graph=rewritten.tape.graph,
        outputs={name: moved[port] for name, port in incremental.outputs.items()},
        caches=tuple(rule.caches.values()),
        carries=tuple(replace(carry, port=moved[carry.port]) for carry in incremental.carries),
    )


class _Packing:
    """The rule, and the caches as they are after it."""

    def __init__(self, caches: dict[str, Cache]) -> None:
        self.caches = caches
        self.past: Value | None = None

    def __call__(
        self, tape: RewriteTape, node: Node, inputs: Sequence[Value | None]
    ) -> Sequence[Value] | None:
        op, (q, k, v, *masks) = node.op, (*inputs, None, None, None)[: max(len(inputs), 3)]
        if not isinstance(op, Attention) or q is None or k is None or v is None or any(masks):
            return None
        sources = [self._source(tape, value) for value in (k, v)]
        if None in sources or k.ref == v.ref or not all(x.type.dtype is DType.F32 for x in (q, k, v)):
            return None
        if self.past is None:
            self.past = tape.input(FILLED, tensor("i64", 1))
        keys, values = (
            self._packed(tape, source, is_keys)
            for source, is_keys in zip(sources, (True, False), strict=True)
            if source is not None
        )
        tape.origin = node
        width = int(v.type.shape[3])
        return [q.apply(CachedAttention(op, width), keys, values, self.past)]

    def _source(self, tape: RewriteTape, value: Value) -> tuple[Cache, Value] | None:
        """The cache that a value is, and what is appended to it, if nothing else reads it."""
        node = tape.graph.node(value.ref[0])
        shape = value.type.shape
        if node.op != Append(2) or tape.uses[value.ref] != 1 or len(shape) != 4 or not shape[3].is_fixed:
            return None
        room, new = tape.graph.inputs_of(value.ref[0])
        assert room is not None and new is not None
        slot = tape.graph.node(room[0]).op
        assert isinstance(slot, Input)
        return self.caches[slot.slot], tape.value(new)

    def _packed(self, tape: RewriteTape, source: tuple[Cache, Value], keys: bool) -> Value:
        """The value with the new positions appended, in a packed cache in place of the other."""
        cache, new = source
        assert self.past is not None
        batch, heads, _, size = new.type.shape
        blocks, features = symbol(ROOM), -(-int(size) // BLOCK)
        shape = (blocks, size, BLOCK) if keys else (features, BLOCK * blocks, BLOCK)
        type_ = new.type.with_shape((batch, heads, *shape))
        per_item = BLOCK if keys else 1
        self.caches[cache.name] = replace(cache, type=type_, axis=2 if keys else 3, per_item=per_item)
        tape.origin = tape.graph.node(new.ref[0])
        return tape.input(cache.name, type_).apply(AppendPacked(keys), new, self.past)
