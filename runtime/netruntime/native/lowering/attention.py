"""Attention, on keys and values that are packed for each head; see attention.c."""

from __future__ import annotations

from netdsl.ops.attention.attention import Attention
from netdsl.ops.attention.attention_scores import score_factor
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
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
    """The values weighed by the softmax of the scores; the result lies as `[B, T, heads, E]`."""
    op = step.op
    assert isinstance(op, Attention)
    q, k, v = (build.view(step.read(slot)) for slot in range(3))
    if q.strides[3] != 1 and q.shape[3] != 1:
        q = build.gathered(q)
    batch, heads, queries, size = q.shape
    groups, keys, width = k.shape[1], k.shape[2], v.shape[3]
    packed_k = pack_stack(build, k.must(lambda array: array.swapaxes(2, 3)))
    packed_v = pack_stack(build, v)
    keep, keep_strides = _mask(step, build, 3, (batch, heads, queries, keys))
    bias, bias_strides = _mask(step, build, 4, (batch, heads, queries, keys))
    y = build.new_ordered((step.node, 0), (0, 2, 1, 3))
    y_strides = [queries * heads * width, width, heads * width]
    causal = int(op.causal and queries > 1)
    numbers = [heads, heads // groups, queries, keys, size, width, causal]
    numbers += [
        bits_of(score_factor(op.scale, size)),
        *q.strides[:3],
        *y_strides,
        *keep_strides,
        *bias_strides,
    ]
    tasks = batch * heads * -(-queries // ROWS)
    build.emit("attention", tasks, [q.at, packed_k, packed_v, keep, bias, y], numbers)
