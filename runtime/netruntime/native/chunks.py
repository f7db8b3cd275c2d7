"""Running a batch in chunks: one thread takes some rows through all steps, so that values stay in its cache.

It is for small networks on many rows. Each row has the same bits however many there are at once, so a chunk
computes what the complete batch would.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from netdsl.dims import dim
from netdsl.graph import Port
from netdsl.ops.contract.base import Op, OpError
from netdsl.ops.contract.time import UnsupportedError
from netdsl.ops.sequence.scan import Scan
from netdsl.types import DType, TensorType
from netruntime.native.fused import Fused
from netruntime.native.steps import ArrayType, Step

MOST_ROWS = 8
"""Of a chunk. Products of fewer rows read the weights more often."""
CACHE = 2**20
"""Bytes of a chunk's values, and bytes of the constants, that stay in the cache of a core."""


def rows_of_chunk(rows: int, bytes_of_row: int, threads: int) -> int | None:
    """The rows of a chunk that stays in the cache.

    They divide the batch, and leave two chunks or more for each thread. None if no number of rows does.
    """
    most = min(MOST_ROWS, CACHE // max(bytes_of_row, 1))
    fitting = [n for n in range(1, most + 1) if rows % n == 0 and rows // n >= 2 * threads]
    return max(fitting, default=None)


def batch_of(steps: Sequence[Step]) -> int | None:
    """The rows of the batch, if each is computed without the others; else None."""
    batches = {
        step.types[port].shape[0] if step.types[port].shape else 0 for step in steps for port in _values(step)
    }
    if len(batches) != 1:
        return None
    (batch,) = batches
    return batch if batch > 1 and all(_is_by_row(step) for step in steps) else None


def types_of_chunk(steps: Sequence[Step], rows: int) -> dict[Port, ArrayType]:
    """The types of all values where the batch has so many rows."""
    types = dict(steps[0].types)
    for port in chain.from_iterable(map(_values, steps)):
        types[port] = ArrayType(types[port].dtype, (rows, *types[port].shape[1:]))
    return types


def _values(step: Step) -> list[Port]:
    """What a step reads and makes, constants left out."""
    read = [port for port in step.inputs if port is not None and port not in step.constants]
    return [*read, *((step.node, n) for n in range(step.outputs))]


def _is_by_row(step: Step) -> bool:
    """Whether an operator treats each row of the batch independently, and does the same with fewer rows."""
    op: Op = step.op.product if isinstance(step.op, Fused) else step.op
    ports = step.inputs[: len(op.inputs)]
    others = [port for port in step.inputs[len(op.inputs) :] if port is not None]
    if step.outputs > 1 or isinstance(op, Scan) or any(port in step.constants for port in others):
        return False
    kinds = [None if port is None else _type(step.types[port]) for port in ports]
    of_row = [None if port is None else _type(step.types[port], _rows(step, port)) for port in ports]
    out = step.type_out
    try:
        axes = op.axis_map(kinds, _type(out))
        shapes = op.shape(*of_row)
    except (UnsupportedError, OpError, ValueError):
        return False
    first = shapes if isinstance(shapes, TensorType) else shapes[0]
    maps = [m for port, m in zip(ports, axes.inputs, strict=True) if port and port not in step.constants]
    return 0 not in axes.mixed and all(m and m[0] == 0 for m in maps) and first == _type(out, 1)


def _rows(step: Step, port: Port) -> int | None:
    """One row of what has rows, and all of a constant."""
    return None if port in step.constants else 1


def _type(type_: ArrayType, rows: int | None = None) -> TensorType:
    shape = type_.shape if rows is None else (rows, *type_.shape[1:])
    return TensorType(DType(type_.dtype), tuple(map(dim, shape)))
