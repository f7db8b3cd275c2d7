"""Made-up inputs: `zeros`, `ones`, `random`, `random:LOW..HIGH`."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping

import numpy as np

from netdsl.dims import SizeOverflowError
from netdsl.types import DType
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import FLOAT_LIMITS, Array, cast_float, fits_memory, numpy_dtype
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text
from netruntime.readers.input_spec import InputSpec

GENERATORS = ("zeros", "ones", "random")

MODEST = 16 * 2**20
"""The bytes of data that a message offers instead of too much."""

_NUMBER = r"[+-]?(?:\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?"
_RANGE = re.compile(rf"random:({_NUMBER})\.\.({_NUMBER})")


def is_generated(spec: str) -> bool:
    """Whether `spec` asks for made-up data."""
    return spec.partition(":")[0] in GENERATORS


def generate_input(spec: str, wanted: InputSpec, sizes: Mapping[str, int], seed: int) -> Array:
    """An array of the input's type.

    `random` is normal with mean 0 and variance 1 for floats and a fair coin for bool; integers need a
    range, `random:0..10` (10 excluded), which makes floats uniform. Raises `DataInputError`: E0814, or E0822
    for an array that does not fit in memory.
    """
    shape = _shape(wanted, sizes)
    dtype = wanted.type.dtype
    _check_memory(spec, wanted, shape, sizes)
    if spec in ("zeros", "ones"):
        return np.full(shape, spec == "ones", dtype=numpy_dtype(dtype.value))
    rng = np.random.default_rng([seed, zlib.crc32(wanted.name.encode())])
    if spec != "random":
        return _in_range(spec, wanted, shape, rng)
    if dtype.is_int:
        message = f"{wanted} is {wanted.type}, but random integers need a range"
        raise wanted.refuse("E0814", message, help="give one: random:0..10")
    if dtype is DType.BOOL:
        return rng.random(shape) < 0.5
    return cast_float(rng.standard_normal(shape), dtype.value)


def too_large(
    spec: str,
    wanted: InputSpec,
    shape: tuple[int, ...] | None = None,
    free: int | None = None,
    sizes: Mapping[str, int] | None = None,
) -> DataInputError:
    """The error E0822 for made-up data that does not fit in memory."""
    dtype = wanted.type.dtype
    size = str(wanted.type)
    if shape is not None:
        size = f"{dtype}{list(shape)} = {bytes_text(math.prod(shape) * dtype.itemsize)}"
    kind = "random data" if spec.startswith("random") else spec
    rest = "" if free is None else f": {lack_text(free)}"
    help = _smaller(wanted, sizes) if sizes else None
    message = f"{kind} for {shown(wanted.name)}, {size}, does not fit in memory{rest}"
    return wanted.refuse("E0822", message, help=help)


def _smaller(wanted: InputSpec, sizes: Mapping[str, int]) -> str | None:
    """Sizes with which the data is small: the largest are halved until it is."""
    names = sorted({name for dim in wanted.type.shape for name in dim.symbols} & set(sizes))
    smaller = {name: sizes[name] for name in names}

    def needed() -> int:
        shape = (dim.evaluate({**sizes, **smaller}) for dim in wanted.type.shape)
        return math.prod(shape) * wanted.type.dtype.itemsize

    while needed() > MODEST and max(smaller.values(), default=1) > 1:
        largest = max(smaller, key=lambda name: smaller[name])
        smaller[largest] //= 2
    changed = [name for name in names if smaller[name] != sizes[name]]
    if not changed or needed() > MODEST:
        return None
    large = " and ".join(f"{shown(name)}={sizes[name]}" for name in changed)
    options = " ".join(f"--size {name}={smaller[name]}" for name in changed)
    return f"{large} {'are' if len(changed) > 1 else 'is'} too large; {options} takes {bytes_text(needed())}"


def _check_memory(spec: str, wanted: InputSpec, shape: tuple[int, ...], sizes: Mapping[str, int]) -> None:
    """Raise E0822 for an array that does not fit; random floats are drawn as f64 first."""
    drawn = 8 if spec.startswith("random") and wanted.type.dtype.is_float else 0
    free = shortage(math.prod(shape) * max(drawn, wanted.type.dtype.itemsize))
    if free is not None:
        raise too_large(spec, wanted, shape, free, sizes)


def _in_range(spec: str, wanted: InputSpec, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    dtype = wanted.type.dtype
    low, high = _bounds(spec, wanted)
    if not -math.inf < low < high < math.inf or dtype is DType.BOOL:
        raise wanted.refuse("E0814", f"{shown(spec)} is not a range for {wanted}, which is {wanted.type}")
    if dtype.is_float:
        _check_limits(spec, wanted, low, high)
        return cast_float(rng.uniform(low, high, shape), dtype.value)
    if low != int(low) or high != int(high):
        raise wanted.refuse(
            "E0814", f"{shown(spec)} is not a range of integers, but {wanted} is {wanted.type}"
        )
    limits = np.iinfo(dtype.numpy_name)
    if int(low) < limits.min or int(high) - 1 > limits.max:
        message = f"{shown(spec)} leaves the range of {dtype}, {limits.min} to {limits.max}"
        raise wanted.refuse("E0814", message)
    return rng.integers(int(low), int(high), shape, dtype=np.dtype(dtype.numpy_name))


def _bounds(spec: str, wanted: InputSpec) -> tuple[float, float]:
    found = _RANGE.fullmatch(spec)
    if not found:
        help = "write zeros, ones, random, or random:LOW..HIGH"
        raise wanted.refuse("E0814", f"{shown(spec)} for {wanted} is not understood", help=help)
    low, high = (int(text) if text.lstrip("+-").isdigit() else float(text) for text in found.groups())
    return low, high


def _check_limits(spec: str, wanted: InputSpec, low: float, high: float) -> None:
    limit = FLOAT_LIMITS.get(wanted.type.dtype.value, math.inf)
    if max(abs(low), abs(high)) > limit or not math.isfinite(high - low):
        raise wanted.refuse("E0814", f"{shown(spec)} leaves the range of {wanted.type.dtype}")


def _shape(wanted: InputSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    symbols = [name for dim in wanted.type.shape for name in sorted(dim.symbols)]
    free = [name for name in symbols if name not in sizes]
    if free:
        message = f"{wanted} is {wanted.type}, but {shown(free[0])} has no size yet"
        raise wanted.refuse("E0814", message, help=f"give it one: {free[0]}=1")
    try:
        shape = tuple(dim.evaluate(sizes) for dim in wanted.type.shape)
    except (SizeOverflowError, ZeroDivisionError) as wrong:
        raise wanted.refuse(
            "E0814", f"{wanted} is {wanted.type}, whose size has no value: {wrong}"
        ) from wrong
    if any(size < 0 for size in shape) or not fits_memory(shape, wanted.type.dtype.itemsize):
        raise wanted.refuse("E0814", f"{wanted} would have the impossible shape {list(shape)}")
    return shape
