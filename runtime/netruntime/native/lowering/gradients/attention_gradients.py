"""The gradient of attention; see attention_gradient.c."""

from __future__ import annotations

from netdsl.ops.attention.attention_gradient import AttentionGradient
from netdsl.ops.attention.attention_scores import score_factor
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, blocks_of
from netruntime.native.lowering.packing import pack_stack, packed_size
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref, aligned
from netruntime.native.steps import Step
from netruntime.native.views import View

ROWS, FEW_ROWS, MANY_KEYS = 56, 14, 1024
"""Queries at a time; fewer for so many keys, so that their weights stay in the cache."""


def _accepts(step: Step) -> bool:
    """Any sizes but 0, and no bias."""
    floats = {type_.dtype for slot in (0, 1, 2, 3) if (type_ := step.type_in(slot))} == {"f32"}
    return floats and step.has_elements and step.optional(5) is None


@lowers(AttentionGradient, accepts=_accepts, dtypes=("f32", "bool"))
def attention_gradient(step: Step, build: Builder) -> None:
    """The gradients of queries, keys and values; each lies as `[B, T, heads, D]`."""
    op = step.op
    assert isinstance(op, AttentionGradient)
    dy, q, k, v = (_with_rows(build, build.view(step.read(slot))) for slot in range(4))
    batch, heads, queries, size = q.shape
    groups, keys, width = k.shape[1], k.shape[2], v.shape[3]
    mask = step.optional(4)
    keep = None if mask is None else build.view(mask).expanded((batch, heads, queries, keys))
    outputs = [build.new_ordered((step.node, n), (0, 2, 1, 3)) for n in range(3)]
    rows = FEW_ROWS if keys > MANY_KEYS else ROWS
    room = keys * (_filled(size) + _filled(width)) + 2 * rows * (_filled(keys) + LANES)
    numbers = [heads, heads // groups, queries, keys, size, width, int(op.causal and queries > 1)]
    numbers += [bits_of(score_factor(op.scale, size)), rows, *q.strides[:3], *dy.strides[:3]]
    numbers += [*([0] * 4 if keep is None else keep.strides), aligned(4 * room) // 4, batch]
    packed = _pack(build, [_turned(k), _turned(v), k, q, dy])
    refs = [q.at, dy.at, packed, None if keep is None else keep.at, *outputs, build.scratch_of(room)]
    build.emit("attention_gradient", batch * groups, refs, numbers)


def _with_rows(build: Builder, view: View) -> View:
    """A view whose rows lie contiguously."""
    return view if view.strides[3] == 1 or view.shape[3] == 1 else build.gathered(view)


def _turned(matrices: View) -> View:
    return matrices.must(lambda array: array.swapaxes(2, 3))


def _filled(count: int) -> int:
    return blocks_of(count) * LANES


def _pack(build: Builder, stacks: list[View]) -> Ref:
    """Stacks of matrices, packed one after the other."""
    sizes = [packed_size(one) for one in stacks]
    at = build.temporary(sum(sizes))
    for n, one in enumerate(stacks):
        pack_stack(build, one, at.at(4 * sum(sizes[:n])))
    return at
