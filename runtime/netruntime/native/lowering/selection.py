"""Comparisons, choices and conversions of elements; see selection.c."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netdsl.ops.contract.base import Op
from netdsl.ops.elementwise.cast import Cast
from netdsl.ops.elementwise.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Where
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step
from netruntime.native.views import AXES, View, loops

CHUNK = 4096
"""Elements of a task."""
TYPES = ("f32", "i32", "i64", "bool")
"""The element types, in the order of selection.c."""
RELATIONS: tuple[type[Op], ...] = (Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual)
"""In the order of selection.c."""


def _few_axes(step: Step) -> bool:
    return step.has_elements and len(step.type_out.shape) <= AXES


def _emit(build: Builder, kernel: str, views: Sequence[View], y: Ref, kind: Sequence[int]) -> None:
    """A kernel on views of one shape and a contiguous result; `kind` are its own numbers."""
    over = loops(views[0].shape, *(view.strides for view in views))
    assert over is not None
    sizes, steps = over
    tasks = prod(sizes[: AXES - 1]) * -(-sizes[-1] // CHUNK)
    numbers = [*kind, CHUNK, *sizes, *(stride for own in steps for stride in own)]
    build.emit(kernel, tasks, [*(view.at for view in views), y], numbers)


def _expanded(step: Step, build: Builder) -> list[View]:
    shape = step.type_out.shape
    return [build.view(step.read(slot)).expanded(shape) for slot in range(len(step.inputs))]


@lowers(Where, accepts=_few_axes, dtypes=TYPES)
def where(step: Step, build: Builder) -> None:
    """One of two elements by a boolean."""
    emit_choice(build, _expanded(step, build), build.new_plain((step.node, 0)))


def emit_choice(build: Builder, views: Sequence[View], y: Ref) -> None:
    """One of two elements by a boolean: three views of one shape."""
    _emit(build, "where", views, y, [views[1].itemsize])


def _accepts_comparison(step: Step) -> bool:
    a, b = step.type_in(0), step.type_in(1)
    return _few_axes(step) and a is not None and b is not None and a.dtype == b.dtype


@lowers(*RELATIONS, accepts=_accepts_comparison, dtypes=TYPES)
def compare(step: Step, build: Builder) -> None:
    """Booleans of two arrays, broadcast against each other."""
    x = step.type_in(0)
    assert x is not None
    y = build.new_plain((step.node, 0))
    emit_comparison(build, type(step.op), _expanded(step, build), y, x.dtype)


def emit_comparison(build: Builder, relation: type[Op], views: Sequence[View], y: Ref, dtype: str) -> None:
    """Booleans of two views of one shape and element type."""
    _emit(build, "compare", views, y, [TYPES.index(dtype), RELATIONS.index(relation)])


def _accepts_cast(step: Step) -> bool:
    """Not from floats to integers, which are unspecified where they do not fit."""
    x = step.type_in(0)
    to_integer = step.type_out.dtype in ("i32", "i64")
    return step.has_elements and x is not None and not (x.dtype == "f32" and to_integer)


@lowers(Cast, accepts=_accepts_cast, dtypes=TYPES)
def cast(step: Step, build: Builder) -> None:
    """The elements in another type."""
    port, x, y = step.read(0), step.type_in(0), step.type_out
    assert x is not None
    if x.dtype == y.dtype:
        build.show((step.node, 0), build.view(port))
        return
    refs = [build.plain(port), build.new_plain((step.node, 0))]
    kinds = [TYPES.index(x.dtype), TYPES.index(y.dtype)]
    build.emit("cast", -(-x.size // CHUNK), refs, [*kinds, x.size, CHUNK])
