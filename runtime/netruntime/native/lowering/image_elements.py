"""Functions of elements on images, and gradients of activations on all arrays; see gradients.c."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Port
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.kinds import ActivationGradient
from netdsl.ops.elementwise.smooth_activations import Gelu, Sigmoid, Silu, Tanh
from netruntime.native.builder import Builder
from netruntime.native.fused import ReluGradient
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step

CHUNK = 4096
"""Elements of a task on plain arrays."""
GRADIENTS: tuple[type[Op], ...] = (Tanh, Sigmoid, Silu, Gelu)
"""The activations whose gradients follow that of relu, in the order of gradients.c."""


def are_images(build: Builder, ports: Sequence[Port | None]) -> bool:
    """Whether a step does best to work on images: one of its values is one."""
    return any(port in build.images for port in ports)


def on_images(step: Step, build: Builder, kernel: str, kind: Sequence[int]) -> None:
    """A kernel on up to two images of one size and their result; `kind` are its own numbers."""
    images = [
        *(build.image(port) for port in step.inputs if port is not None),
        build.new_image((step.node, 0)),
    ]
    strides = [number for image in images for number in image.strides]
    one = images[0]
    numbers = [one.batch, one.blocks, one.height, one.width, *strides, *[0] * (12 - len(strides)), *kind]
    build.emit(kernel, one.batch * one.blocks * one.height, [image.at for image in images], numbers)


def _accepts(step: Step) -> bool:
    of = step.op.of if isinstance(step.op, ActivationGradient) else None
    known = of is None or (type(of) in GRADIENTS and getattr(of, "approximate", "none") == "none")
    return known and {step.type_in(0), step.type_in(1)} == {step.type_out} and step.has_elements


@lowers(ReluGradient, ActivationGradient, accepts=_accepts)
def activation_gradient(step: Step, build: Builder) -> None:
    """dy times the slope of an activation."""
    op, count = step.op, step.type_out.size
    kind = 1 + GRADIENTS.index(type(op.of)) if isinstance(op, ActivationGradient) else 0
    if are_images(build, step.inputs):
        on_images(step, build, "image_gradient", [kind])
        return
    refs = [build.plain(step.read(0)), build.plain(step.read(1)), build.new_plain((step.node, 0))]
    build.emit("activation_gradient", -(-count // CHUNK), refs, [count, CHUNK, kind])
