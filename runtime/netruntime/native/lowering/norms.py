"""Normalisations; see norm.c. Axes that are not the last ones are moved there."""

from __future__ import annotations

from math import prod

from netdsl.ops.contract.rules import normal_axes
from netdsl.ops.norm.group_norm import GroupNorm, InstanceNorm
from netdsl.ops.norm.norm import LayerNorm
from netdsl.ops.norm.rms_norm import L2Normalize, RMSNorm
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step
from netruntime.native.views import AXES


def _plain(step: Step, build: Builder, slot: int) -> Ref | None:
    port = step.optional(slot)
    return None if port is None else build.plain(port)


def _accepts(step: Step) -> bool:
    return step.has_elements and len(step.type_out.shape) <= AXES


@lowers(LayerNorm, RMSNorm, L2Normalize, accepts=_accepts)
def layer_norm(step: Step, build: Builder) -> None:
    """A norm over some axes of each sample."""
    op, shape = step.op, step.type_out.shape
    assert isinstance(op, LayerNorm | RMSNorm | L2Normalize)
    over = normal_axes(op.over, len(shape))
    order = [axis for axis in range(len(shape)) if axis not in over] + list(over)
    x = build.in_order(step.read(0), order)
    y = build.new_ordered((step.node, 0), order)
    count = prod(shape[axis] for axis in over)
    kernel = "l2_normalize" if isinstance(op, L2Normalize) else "layer_norm"
    refs = [x, _plain(step, build, 1), _plain(step, build, 2), y]
    numbers = [count, int(isinstance(op, LayerNorm)), bits_of(op.eps)]
    build.emit(kernel, prod(shape) // count, refs, numbers)


@lowers(GroupNorm, InstanceNorm, accepts=lambda step: step.has_elements)
def group_norm(step: Step, build: Builder) -> None:
    """A norm of each group of channels of each image."""
    op, shape = step.op, step.type_out.shape
    assert isinstance(op, GroupNorm | InstanceNorm)
    groups = op.groups if isinstance(op, GroupNorm) else shape[1]
    x = build.plain(step.read(0))
    refs = [x, _plain(step, build, 1), _plain(step, build, 2), build.new_plain((step.node, 0))]
    count = prod(shape[1:]) // groups
    numbers = [count, 1, bits_of(op.eps), shape[1], prod(shape[2:])]
    build.emit("group_norm", shape[0] * groups, refs, numbers)
