"""Rows of tables and single elements at ids, which are checked, and the gradients; see gather.c."""

from __future__ import annotations

from math import prod

from netdsl.ops.index.gather import Gather, GatherElements, GatherElementsGradient, GatherGradient
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import ArrayType, Step

LENGTH = 256
"""Rows of a task of a table's gradient."""
DTYPES = ("f32", "i32", "i64")


def _accepts(step: Step) -> bool:
    x, ids = step.type_in(0), step.type_in(1)
    floats = x is not None and x.dtype == "f32"
    return floats and ids is not None and ids.dtype in ("i32", "i64") and step.has_elements


@lowers(Gather, accepts=_accepts, dtypes=DTYPES)
def gather(step: Step, build: Builder) -> None:
    """The slices of a table at ids. For one that is out of range, NumPy runs instead and says so."""
    op, x, ids = step.op, step.type_in(0), step.type_in(1)
    assert isinstance(op, Gather) and x is not None and ids is not None
    axis = op.axis % len(x.shape)
    outer, rows, run = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :])
    refs = [build.plain(step.read(0)), build.plain(step.read(1)), build.new_plain((step.node, 0))]
    numbers = [outer, rows, run, ids.size, int(ids.dtype == "i64"), int(op.from_end)]
    build.emit("gather", ids.size, [*refs, build.reported()], numbers)


def _accepts_gradient(step: Step) -> bool:
    return _accepts(step) and step.type_out.dtype == "f32"


@lowers(GatherGradient, accepts=_accepts_gradient, dtypes=DTYPES)
def gather_gradient(step: Step, build: Builder) -> None:
    """The sum of what flows into each row of a table."""
    op, ids = step.op, step.type_in(1)
    assert isinstance(op, GatherGradient) and ids is not None
    shape = step.type_out.shape
    outer, rows, run = prod(shape[: op.axis]), shape[op.axis], prod(shape[op.axis + 1 :])
    numbers = [outer, rows, run, ids.size, int(ids.dtype == "i64"), LENGTH]
    build.emit("gather_gradient", outer * -(-rows // LENGTH), _refs(step, build), numbers)


def _refs(step: Step, build: Builder) -> list[Ref | None]:
    inputs = [build.plain(step.read(slot)) for slot in (0, 1)]
    return [*inputs, build.new_plain((step.node, 0)), build.reported()]


def _table(step: Step) -> ArrayType | None:
    """The array whose elements an operator picks or sums."""
    return step.type_in(0) if isinstance(step.op, GatherElements) else step.type_out


def _accepts_elements(step: Step) -> bool:
    """Arrays that differ on the axis of the ids alone."""
    ids, table, op = step.type_in(1), _table(step), step.op
    assert isinstance(op, GatherElements | GatherElementsGradient)
    if not _accepts_gradient(step) or ids is None or table is None:
        return False
    axis = op.axis % len(table.shape)
    return all(a == b for n, (a, b) in enumerate(zip(table.shape, ids.shape, strict=True)) if n != axis)


@lowers(GatherElements, GatherElementsGradient, accepts=_accepts_elements, dtypes=DTYPES)
def gather_elements(step: Step, build: Builder) -> None:
    """Single elements, or sums of what flows into them."""
    op, ids, table = step.op, step.type_in(1), _table(step)
    assert isinstance(op, GatherElements | GatherElementsGradient) and ids is not None and table is not None
    axis = op.axis % len(table.shape)
    inner = prod(ids.shape[axis + 1 :])
    from_end = int(op.from_end) if isinstance(op, GatherElements) else 1
    numbers = [table.shape[axis], ids.shape[axis], inner, int(ids.dtype == "i64"), from_end]
    build.emit(op.name, prod(ids.shape[:axis]), _refs(step, build), numbers)
