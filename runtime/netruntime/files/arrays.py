"""What the readers and writers say of an array, and the conversions they may make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netdsl.types import DType
from netruntime.errors import need_extra

Array = np.ndarray[Any, np.dtype[Any]]

SHORT_NAMES = {
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "int8": "i8",
    "uint8": "u8",
    "int16": "i16",
    "uint16": "u16",
    "int32": "i32",
    "uint32": "u32",
    "int64": "i64",
    "uint64": "u64",
    "bool": "bool",
}
"""NumPy's names of the element types that arrays in files may have, and the short names of messages."""

NUMPY_NAMES = {short: name for name, short in SHORT_NAMES.items()}

ITEM_SIZES = {"f16": 2, "bf16": 2, "f32": 4, "f64": 8, "i8": 1, "u8": 1, "i16": 2, "u16": 2}
ITEM_SIZES |= {"i32": 4, "u32": 4, "i64": 8, "u64": 8, "bool": 1}

FLOATS = frozenset({"f16", "bf16", "f32", "f64"})

FLOAT_LIMITS = {"f16": 65504.0, "bf16": 3.3895313892515355e38, "f32": 3.4028234663852886e38}
"""The largest finite values; f64 holds all that a file can."""

MAX_RANK = 64
"""NumPy's own limit."""


class CastError(ValueError):
    """Values that the wanted element type cannot hold; the text begins with `holds`."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


@immutable
class ArrayInfo:
    """Element type (`f32`) and shape of an array; prints as `f32[2, 3]`."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"

    @property
    def nbytes(self) -> int:
        """The bytes of such an array."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]


def short_name(dtype: np.dtype[Any]) -> str | None:
    """`f32` for float32 and so on; None for a type that netdsl does not read."""
    return SHORT_NAMES.get(dtype.name)


def info_of(array: Any) -> ArrayInfo:
    """The element type and shape of a NumPy or CuPy array."""
    return ArrayInfo(short_name(array.dtype) or str(array.dtype), tuple(array.shape))


def to_host(array: Any) -> Array:
    """The array in NumPy's memory; a CuPy array is copied there."""
    return np.asarray(array.get() if hasattr(array, "get") and hasattr(array, "dtype") else array)


def to_host_together(arrays: Sequence[Any]) -> list[Array]:
    """The arrays in NumPy's memory; CuPy arrays are copied there with one wait for all of them.

    Large ones, and what exceeds a limit together, are waited for one by one: their copies take longer than a
    wait, and page-locked memory, which a copy in the background needs, is scarce.
    """
    copies, locked = [], 0
    for array in arrays:
        background = _is_small(array) and locked + array.nbytes <= _LOCKED
        locked += array.nbytes if background else 0
        copies.append(_copied(array) if background else to_host(array))
    if any(hasattr(array, "get") for array in arrays):
        import cupy

        cupy.cuda.get_current_stream().synchronize()
    return copies


_BACKGROUND, _LOCKED = 1 << 22, 1 << 26
"""The size in bytes up to which an array is copied in the background, and that of all such copies."""


def _is_small(array: Any) -> bool:
    return hasattr(array, "get") and 0 < array.nbytes <= _BACKGROUND


def _copied(array: Any) -> Array:
    import cupyx

    return array.get(out=cupyx.empty_pinned(array.shape, array.dtype), blocking=False)  # type: ignore[no-any-return]


def plain_array(value: Any) -> Array:
    """An array-like as a plain array in NumPy's memory, whose class gives operators no other meaning.

    A CuPy array is copied there. Raises `ValueError` for a masked array with masked values, which would
    silently become numbers, and for whatever does not become an array.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError("it has masked values; give them numbers first: array.filled(0)")
    try:
        return to_host(value)
    except MemoryError:
        raise
    except Exception as wrong:  # arrays of other libraries raise what they like
        raise ValueError(str(wrong).partition("\n")[0] or type(wrong).__name__) from wrong


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's type for a short name. `bf16` needs the extra of that name (`MissingExtraError`)."""
    if name == "bf16":
        need_extra("ml_dtypes", "bf16", "holding bf16 arrays")  # its import teaches NumPy the name
    return np.dtype(NUMPY_NAMES[name])


def cast(array: Array, dtype: DType) -> Array:
    """An array as an input's element type, the array itself where it has that already.

    Floats and integers become floats, which may round them; integers other integers; 0 and 1 truth values.
    Raises `CastError` for another kind of number, and for values out of range.
    """
    check_kind(array, dtype)
    if dtype.is_float:
        return cast_float(array, dtype.value)
    return cast_int(array, dtype.value) if dtype.is_int else _cast_bool(array)


def check_kind(array: Any, dtype: DType) -> None:
    """Raise `CastError` if no value of the array's element type is one of `dtype`, whatever it is."""
    kind = array.dtype.kind
    if dtype.is_float and (kind in "fiu" or short_name(array.dtype) == "bf16"):
        return
    if (dtype.is_int and kind in "iu") or (dtype is DType.BOOL and kind in "biu"):
        return
    rounded = ".round()" if kind == "f" else ""
    help = f"convert it first: array{rounded}.astype({dtype.numpy_name!r})"
    raise CastError(f"holds {info_of(array)}", help)


def float_limit(dtype: np.dtype[Any], to: str) -> float | None:
    """The largest size of a value that the float type `to` can hold, None if it holds all of `dtype`."""
    limit = FLOAT_LIMITS.get(to)
    wider = limit is not None and FLOAT_LIMITS.get(short_name(dtype) or "", math.inf) > limit
    return limit if wider else None


def cast_float(array: Array, to: str) -> Array:
    """A float or integer array as the float type `to`.

    Raises `CastError` where a finite value would become infinite.
    """
    limit = float_limit(array.dtype, to)
    if limit is not None and array.size:
        size = np.abs(array.astype(np.float64))
        largest = float(np.where(np.isfinite(size), size, 0.0).max())
        if largest > limit:
            raise CastError(too_large(largest, to))
    return array.astype(numpy_dtype(to), copy=False)


def cast_int(array: Array, to: str) -> Array:
    """An integer array as the integer type `to`. Raises `CastError` where a value does not fit."""
    target = np.dtype(NUMPY_NAMES[to])
    if array.size and not np.can_cast(array.dtype, target, "safe"):
        low, high = int(array.min()), int(array.max())
        limits = np.iinfo(target)
        if low < limits.min or high > limits.max:
            raise CastError(out_of_range(low, high, to))
    return array.astype(target, copy=False)


def _cast_bool(array: Array) -> Array:
    if array.dtype.kind != "b" and not bool(((array == 0) | (array == 1)).all()):
        raise CastError(out_of_range(array.min(), array.max(), "bool"))
    return array.astype(np.bool_, copy=False)


def too_large(largest: float, to: str) -> str:
    """What is wrong with an array whose largest value the float type `to` cannot hold."""
    return f"holds values up to {largest:.6g}, but {to} ends at {FLOAT_LIMITS[to]:.6g}"


def out_of_range(low: int, high: int, to: str) -> str:
    """What is wrong with an array of integers that do not all fit the type `to`."""
    if to == "bool":
        return f"holds {low} to {high}, but bool is 0 or 1"
    limits = np.iinfo(NUMPY_NAMES[to])
    return f"holds {low} to {high}, but {to} holds {limits.min} to {limits.max}"


def fits_memory(shape: Sequence[int], itemsize: int) -> bool:
    """Whether NumPy can describe such an array at all, axes of zero aside."""
    bytes_needed = math.prod(size for size in shape if size) * itemsize
    return len(shape) <= MAX_RANK and max(shape, default=0) < 2**63 and bytes_needed < 2**63
