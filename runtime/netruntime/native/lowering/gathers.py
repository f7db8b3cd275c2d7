"""Rows of tables at ids, which are checked; see copy.c."""

from __future__ import annotations

from math import prod

from netdsl.ops.index.gather import Gather
from netruntime.native.builder import Builder
from netruntime.native.lowering.registry import lowers
from netruntime.native.steps import Step


def _accepts(step: Step) -> bool:
    x, ids = step.type_in(0), step.type_in(1)
    floats = x is not None and x.dtype == "f32"
    return floats and ids is not None and ids.dtype in ("i32", "i64") and step.has_elements


@lowers(Gather, accepts=_accepts, dtypes=("f32", "i32", "i64"))
def gather(step: Step, build: Builder) -> None:
    """The slices of a table at ids. For one that is out of range, NumPy runs instead and says so."""
    op, x, ids = step.op, step.type_in(0), step.type_in(1)
    assert isinstance(op, Gather) and x is not None and ids is not None
    axis = op.axis % len(x.shape)
    outer, rows, run = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :])
    refs = [build.plain(step.read(0)), build.plain(step.read(1)), build.new_plain((step.node, 0))]
    numbers = [outer, rows, run, ids.size, int(ids.dtype == "i64"), int(op.from_end)]
    build.emit("gather", ids.size, [*refs, build.reported()], numbers)
