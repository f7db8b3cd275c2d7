"""The gradients of slices: zeros with a copy in them."""

from __future__ import annotations

from math import prod

import numpy as np

from netdsl.ops.shape.slice import Slice, SliceGradient
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step
from netruntime.native.views import AXES


@lowers(SliceGradient, accepts=lambda step: step.has_elements and len(step.type_out.shape) <= AXES)
def slice_gradient(step: Step, build: Builder) -> None:
    """dy where the slice was taken."""
    op, shape = step.op, step.type_out.shape
    assert isinstance(op, SliceGradient)
    taken = Slice(op.axis, op.start, op.stop, op.step)
    source, target = build.view(step.read(0)), build.contiguous((step.node, 0))
    build.emit("clear", shape[0], [target.at], [prod(shape[1:])])
    build.copy(source, target.must(lambda array: taken.forward(np, array)))
