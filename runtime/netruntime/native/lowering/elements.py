"""Activations by themselves, and operators that only change shapes."""

from __future__ import annotations

from netdsl.model import Output
from netdsl.ops.shape.reshape import Flatten, Reshape, Squeeze, Unsqueeze
from netruntime.native.activations import KINDS, kind_of
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step

CHUNK = 4096
"""Elements of a task, as in elementwise.c."""


@lowers(*KINDS)
def activation(step: Step, build: Builder) -> None:
    """An activation of an array. One that follows a product is fused with it instead."""
    port = step.inputs[0]
    assert port is not None
    count = build.types[port].size
    refs = [build.plain(port), build.new_plain((step.node, 0))]
    build.emit("activate", -(-count // CHUNK), refs, [count, kind_of(step.op)])


@lowers(Reshape, Flatten, Squeeze, Unsqueeze, Output, is_alias=True)
def alias(step: Step, build: Builder) -> None:
    """The same array, with another shape or under another name."""
    port = step.inputs[0]
    assert port is not None
    build.alias((step.node, 0), port)
