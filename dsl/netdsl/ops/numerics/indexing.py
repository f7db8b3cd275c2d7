"""Helpers of operators that index: positions counted from the front, and sums at positions."""

from __future__ import annotations

from netdsl.ops.contract.base import Array, DataError, Module, OpError
from netdsl.ops.numerics.blocking import on_cpu
from netdsl.ops.numerics.checks import host_values, require
from netdsl.ops.numerics.functions import widen
from netdsl.types import TensorType


def from_front(xp: Module, indices: Array, size: int, what: str, *, from_end: bool = True) -> Array:
    """`indices` as i64, negative ones counted from the end, or refused.

    Raises `DataError` for one out of range.
    """
    wide = indices.astype(xp.int64, copy=False)
    known = host_values(xp, indices)
    values = wide if known is None else known
    wrong = (values < (-size if from_end else 0)) | (values >= size)

    def describe() -> str:
        where = int(wrong.ravel().argmax())
        index = int(values.ravel()[where])
        below = "" if from_end or index >= 0 else ", and indices below 0 do not count from the end here"
        return (
            f"got index {index} at position {_position(where, values.shape)}, "
            f"out of range for {what} of size {size}{below}"
        )

    if known is None and size:
        require(xp, wrong, describe)
    elif bool(wrong.any()):
        raise DataError(describe())
    if on_cpu(xp):
        return xp.where(wide < 0, wide + size, wide)
    return xp.mod(wide, size) if size else wide  # in range even if the check, which is read later, fails


def _position(flat: int, shape: tuple[int, ...]) -> list[int]:
    position = []
    for size in reversed(shape):
        flat, coordinate = divmod(flat, size)
        position.append(coordinate)
    return position[::-1]


def need_room(x: TensorType, indices: TensorType, axis: int) -> None:
    """Raise `OpError` if `indices` differs in rank from `x`, or is longer on an axis other than `axis`."""
    if indices.rank != x.rank:
        raise OpError(
            f"needs `indices` to have as many axes as `x`, but got {indices} for {x}", at=["x", "indices"]
        )
    for other, (size, wanted) in enumerate(zip(x.shape, indices.shape, strict=True)):
        if other != axis and wanted != size and wanted.compare(size) != -1:
            raise OpError(
                f"needs `indices` no longer than `x` except on axis {axis}, "
                f"but axis {other} is {wanted}, not at most {size}",
                at=[("x", other), ("indices", other)],
            )


def grid(xp: Module, indices: Array, axis: int) -> tuple[Array, ...]:
    """The positions that `indices` refers to: its values on `axis`, its own coordinates on the other axes."""
    coordinates = [
        xp.arange(n).reshape((-1,) + (1,) * (indices.ndim - other - 1))
        for other, n in enumerate(indices.shape)
    ]
    return (*coordinates[:axis], indices, *coordinates[axis + 1 :])


def add_at(xp: Module, values: Array, positions: Array, size: int) -> Array:
    """`size` zeros in a row, with `values` added at `positions`, which has the same shape.

    16-bit floats are summed in f32. On a GPU the order of a sum is not fixed. NumPy adds several times
    faster on one flat axis than on rows.
    """
    wide = widen(xp, values)
    if not on_cpu(xp) and wide.dtype.itemsize < 4:
        wide = wide.astype(xp.int32)  # CuPy adds no smaller integers; the sum of these wraps in the end
    out = xp.zeros(size, dtype=wide.dtype)
    xp.add.at(out, positions.reshape(-1), wide.reshape(-1))
    return out.astype(values.dtype, copy=False)
