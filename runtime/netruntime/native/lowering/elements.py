"""Functions of single elements, of one array or of two."""

from __future__ import annotations

from math import prod

from netdsl.model import Output
from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.arithmetic import Add, Divide, Maximum, Minimum, Multiply, Subtract
from netruntime.native.activations import FUNCTIONS, function_of
from netruntime.native.builder import Builder
from netruntime.native.library import load_library
from netruntime.native.lowering.registry import ANY, lowers
from netruntime.native.steps import Step
from netruntime.native.views import AXES, loops

CHUNK = 4096
"""Elements of a task, as in elementwise.c."""
BINARIES: tuple[type[Op], ...] = (Add, Subtract, Multiply, Divide, Minimum, Maximum)
"""The operators that names.h lists too, by the same names."""


@lowers(*FUNCTIONS)
def function(step: Step, build: Builder) -> None:
    """A function of an array. One that follows a product is fused with it instead."""
    port = step.read(0)
    count = build.types[port].size
    refs = [build.plain(port), build.new_plain((step.node, 0))]
    build.emit("activate", -(-count // CHUNK), refs, [count, *function_of(step.op)])


def _few_axes(step: Step) -> bool:
    return step.has_elements and len(step.type_out.shape) <= AXES


@lowers(*BINARIES, accepts=_few_axes)
def binary(step: Step, build: Builder) -> None:
    """A function of two arrays, broadcast against each other."""
    library = load_library()
    assert library is not None
    shape = step.type_out.shape
    a, b = (build.view(step.read(slot)).expanded(shape) for slot in (0, 1))
    y = build.contiguous((step.node, 0))
    over = loops(shape, a.strides, b.strides)
    assert over is not None
    sizes, (steps_a, steps_b) = over
    tasks = prod(sizes[: AXES - 1]) * -(-sizes[-1] // CHUNK)
    numbers = [library.binaries[type(step.op).name], CHUNK, *sizes, *steps_a, *steps_b]
    build.emit("binary", tasks, [a.at, b.at, y.at], numbers)


@lowers(Output, is_alias=True, dtypes=ANY)
def alias(step: Step, build: Builder) -> None:
    """The same array under another name."""
    build.alias((step.node, 0), step.read(0))
