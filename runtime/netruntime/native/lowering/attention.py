"""Attention, on keys and values that are packed for each head, or lie packed in a cache; see attention.c."""

from __future__ import annotations

from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.attention_scores import score_factor
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.fused import AppendPacked, CachedAttention
from netruntime.native.layouts import LANES
from netruntime.native.lowering.packing import pack_stack
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step

ROWS = 14
"""Queries of a task, as in attention.c."""


def _accepts(step: Step) -> bool:
    """Any sizes but 0; the masks are checked by the operator."""
    types = [step.type_in(slot) for slot in (0, 1, 2, 4)]
    floats = all(type_ is None or type_.dtype == "f32" for type_ in types)
    return floats and step.has_elements


def _mask(step: Step, build: Builder, slot: int, sizes: tuple[int, ...]) -> tuple[Ref | None, list[int]]:
    """A mask or a bias with the strides of `[B, heads, T, S]`."""
    port = step.optional(slot)
    if port is None:
        return None, [0] * 4
    view = build.view(port).expanded(sizes)
    return view.at, list(view.strides)


@lowers(Attention, accepts=_accepts, dtypes=("f32", "bool"))
def attention(step: Step, build: Builder) -> None:
    """The values weighed by the softmax of the scores."""
    op = step.op
    assert isinstance(op, Attention)
    k, v = (build.view(step.read(slot)) for slot in (1, 2))
    groups, keys, width = k.shape[1], k.shape[2], v.shape[3]
    packed = [pack_stack(build, k.must(lambda array: array.swapaxes(2, 3))), pack_stack(build, v)]
    _, heads, queries, _ = build.types[step.read(0)].shape
    sizes = (k.shape[0], heads, queries, keys)
    keep, keep_strides = _mask(step, build, 3, sizes)
    bias, bias_strides = _mask(step, build, 4, sizes)
    _attend(step, build, op, [*packed, keep, bias], [groups, keys, width, *keep_strides, *bias_strides])


def _attend(
    step: Step,
    build: Builder,
    op: Attention,
    refs: list[Ref | None],
    sizes: list[int],
    past: Ref | None = None,
) -> None:
    """Emit the kernel; the result lies as `[B, T, heads, E]`.

    Args:
        refs: Packed keys and values, and the two masks.
        sizes: The heads of keys, the keys that there is room for, the features of values, and the strides of
            both masks.
        past: Where the number of positions before the queries is; there are as many keys. By default, there
            are as many keys as there is room for.
    """
    q = build.view(step.read(0))
    if q.strides[3] != 1 and q.shape[3] != 1:
        q = build.gathered(q)
    batch, heads, queries, size = q.shape
    groups, room, width, *strides = sizes
    y = build.new_ordered((step.node, 0), (0, 2, 1, 3))
    numbers = [heads, heads // groups, queries, room, size, width, int(op.causal and queries > 1)]
    numbers += [bits_of(score_factor(op.scale, size)), *q.strides[:3]]
    numbers += [queries * heads * width, width, heads * width, *strides]
    build.emit("attention", batch * heads * -(-queries // ROWS), [q.at, *refs, y, past], numbers)


# -- caches -----------------------------------------------------------------------------------------

APPENDED = 4096
"""Numbers of a task that appends to a cache, about."""


def _accepts_cache(step: Step) -> bool:
    return step.has_elements and step.types[step.read(-1)].dtype == "i64"


@lowers(AppendPacked, accepts=_accepts_cache, dtypes=("f32", "i64"))
def append_packed(step: Step, build: Builder) -> None:
    """New positions, written to the array of the cache; see cache.c."""
    op, room = step.op, build.plain(step.read(0))
    assert isinstance(op, AppendPacked)
    new = build.view(step.read(1))
    if new.strides[3] != 1 and new.shape[3] != 1:
        new = build.gathered(new)
    batch, heads, count, size = new.shape
    blocks = build.types[step.read(0)].shape[2 if op.keys else 3] // (1 if op.keys else LANES)
    group = max(APPENDED // (count * size), 1)
    numbers = [int(op.keys), heads, count, size, blocks, group, batch * heads, *new.strides[:3]]
    tasks = -(-batch * heads // group)
    build.emit("append", tasks, [room, new.at, build.plain(step.read(2))], numbers)
    build.plains[step.node, 0] = room


@lowers(CachedAttention, accepts=_accepts_cache, dtypes=("f32", "i64"))
def cached_attention(step: Step, build: Builder) -> None:
    """Attention to the filled positions of a cache."""
    op = step.op
    assert isinstance(op, CachedAttention)
    keys, values, past = (build.plain(step.read(slot)) for slot in (1, 2, 3))
    _, groups, blocks, _, _ = build.types[step.read(1)].shape
    sizes = [groups, blocks * LANES, op.width, *[0] * 8]
    _attend(step, build, op.attention, [keys, values, None, None], sizes, past)
