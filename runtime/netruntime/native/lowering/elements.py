"""Functions of single elements, of one array or of two."""

from __future__ import annotations

from math import prod

from netdsl.model import Output
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.arithmetic import Add, Divide, Maximum, Minimum, Multiply, Subtract
from netdsl.ops.elementwise.comparison import LogicalAnd, LogicalOr, LogicalXor
from netdsl.ops.elementwise.kinds import Activation
from netruntime.native.activations import FUNCTIONS, function_of
from netruntime.native.builder import Builder
from netruntime.native.library import load_library
from netruntime.native.lowering.image_elements import are_images, on_images
from netruntime.native.lowering.registry import ANY, lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step
from netruntime.native.views import AXES, View, loops

CHUNK = 4096
"""Elements of a task, as in elementwise.c."""
BINARIES: tuple[type[Op], ...] = (Add, Subtract, Multiply, Divide, Minimum, Maximum)
"""The operators that names.h lists too, by the same names."""
LOGIC: tuple[type[Op], ...] = (LogicalAnd, LogicalOr, LogicalXor)
"""In the order of elementwise.c."""


@lowers(*FUNCTIONS)
def function(step: Step, build: Builder) -> None:
    """A function of an array. One that follows a product is fused with it instead."""
    port = step.read(0)
    if isinstance(step.op, Activation) and are_images(build, [port]):
        on_images(step, build, "activate_image", function_of(step.op))
        return
    count = build.types[port].size
    refs = [build.plain(port), build.new_plain((step.node, 0))]
    build.emit("activate", -(-count // CHUNK), refs, [count, *function_of(step.op)])


def _few_axes(step: Step) -> bool:
    return step.has_elements and len(step.type_out.shape) <= AXES


@lowers(*BINARIES, accepts=_few_axes)
def binary(step: Step, build: Builder) -> None:
    """A function of two arrays, broadcast against each other."""
    shape = step.type_out.shape
    alike = {build.types[step.read(slot)].shape for slot in (0, 1)} == {shape}
    if alike and not isinstance(step.op, Divide) and are_images(build, step.inputs):
        on_images(step, build, "combine_images", [_number(type(step.op))])
        return
    emit_binary(build, type(step.op), _operands(step, build), build.new_plain((step.node, 0)))


@lowers(*LOGIC, accepts=_few_axes, dtypes=("bool",))
def logical(step: Step, build: Builder) -> None:
    """A function of two arrays of booleans, broadcast against each other."""
    y = build.new_plain((step.node, 0))
    _emit(build, "logical", LOGIC.index(type(step.op)), _operands(step, build), y)


def _operands(step: Step, build: Builder) -> tuple[View, View]:
    a, b = (build.view(step.read(slot)).expanded(step.type_out.shape) for slot in (0, 1))
    return a, b


def _number(op: type[Op]) -> int:
    library = load_library()
    assert library is not None
    return library.binaries[op.name]


def emit_binary(build: Builder, op: type[Op], operands: tuple[View, View], y: Ref) -> None:
    """A function of two views of one shape, with a contiguous result."""
    _emit(build, "binary", _number(op), operands, y)


def _emit(build: Builder, kernel: str, number: int, operands: tuple[View, View], y: Ref) -> None:
    a, b = operands
    over = loops(a.shape, a.strides, b.strides)
    assert over is not None
    sizes, (steps_a, steps_b) = over
    tasks = prod(sizes[: AXES - 1]) * -(-sizes[-1] // CHUNK)
    build.emit(kernel, tasks, [a.at, b.at, y], [number, CHUNK, *sizes, *steps_a, *steps_b])


@lowers(Output, is_alias=True, dtypes=ANY)
def alias(step: Step, build: Builder) -> None:
    """The same array under another name."""
    build.alias((step.node, 0), step.read(0))
