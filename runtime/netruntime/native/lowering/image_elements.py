"""Functions of elements on images, and gradients of activations on all arrays; see gradients.c."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Port
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.activations import LeakyRelu
from netdsl.ops.elementwise.kinds import ActivationGradient
from netdsl.ops.elementwise.smooth_activations import Gelu, Sigmoid, Silu, Softplus, Tanh
from netruntime.native.activations import bits_of
from netruntime.native.builder import Builder
from netruntime.native.fused import ReluGradient
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step

CHUNK = 4096
"""Elements of a task on plain arrays."""
GRADIENTS: tuple[type[Op], ...] = (Tanh, Sigmoid, Silu, Gelu, Softplus, LeakyRelu)
"""The activations whose gradients follow that of relu, in the order of gradients.h; then gelu by tanh."""


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
    known = not isinstance(step.op, ActivationGradient) or type(step.op.of) in GRADIENTS
    return known and {step.type_in(0), step.type_in(1)} == {step.type_out} and step.has_elements


def _slope(op: Op) -> list[int]:
    """The number of a slope, and its parameter."""
    if not isinstance(op, ActivationGradient):
        return [0, 0]
    of = op.of
    if isinstance(of, Gelu) and of.approximate != "none":
        return [1 + len(GRADIENTS), 0]
    return [1 + GRADIENTS.index(type(of)), bits_of(of.slope) if isinstance(of, LeakyRelu) else 0]


@lowers(ReluGradient, ActivationGradient, accepts=_accepts)
def activation_gradient(step: Step, build: Builder) -> None:
    """dy times the slope of an activation."""
    count, slope = step.type_out.size, _slope(step.op)
    if are_images(build, step.inputs):
        on_images(step, build, "image_gradient", slope)
        return
    refs = [build.plain(step.read(0)), build.plain(step.read(1)), build.new_plain((step.node, 0))]
    build.emit("activation_gradient", -(-count // CHUNK), refs, [count, CHUNK, *slope])
