"""Binding inputs: arrays are checked against the model's declared types, and free sizes get values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netdsl.diagnostics import Label, error, suggest
from netdsl.dims import Dim, Symbol, dim
from netdsl.model import Model, Slot
from netdsl.types import DType, shape_text
from netruntime.backends import Device
from netruntime.errors import DataInputError, MissingExtraError


def bind_inputs(
    model: Model, given: Mapping[str, Any], device: Device
) -> tuple[dict[str, Any], dict[str, int]]:
    """The inputs as arrays of the declared element types on the device, and the values of free sizes.

    Numbers convert within their kind and from integers to floats; nothing is rounded silently.

    Raises:
        DataInputError: E0850 for names, E0851 for element types, E0852 for ranks and sizes.
    """
    slots = {slot.name: slot for slot in model.body.inputs}
    for name in given:
        if name not in slots:
            help = suggest(name, slots) or f"the inputs are {', '.join(slots)}"
            raise _error("E0850", f"`{model.name}` has no input `{name}`", None, help)
    missing = [name for name in slots if name not in given]
    if missing:
        slot = slots[missing[0]]
        raise _error("E0850", f"`{model.name}` needs the input `{slot.name}`: {slot.type}", slot)
    arrays = {name: _as_array(slot, given[name], device) for name, slot in slots.items()}
    sizes: dict[str, int] = {}
    origins: dict[str, str] = {}
    for solving in (False, True):
        for name, slot in slots.items():
            _bind_sizes(slot, arrays[name].shape, sizes, origins, solving)
    return arrays, sizes


def _as_array(slot: Slot, value: Any, device: Device) -> Any:
    dtype = slot.type.dtype
    with device.active():
        try:
            array = value if isinstance(value, device.xp.ndarray) else device.xp.asarray(value)
        except (ValueError, TypeError) as wrong:
            raise _error("E0851", f"the input `{slot.name}` is no array of numbers: {wrong}", slot) from None
        if str(array.dtype) == dtype.numpy_name:
            return array
        return _convert(slot, array, dtype, device)


def _convert(slot: Slot, array: Any, dtype: DType, device: Device) -> Any:
    kind = array.dtype.kind
    widening = kind in "iu" and dtype.is_float
    same = (kind == "f" and dtype.is_float) or (kind in "iu" and dtype.is_int)
    if not (same or widening) and str(array.dtype) != "bfloat16":
        help = f"the input is declared {slot.type}; convert the array to {dtype.numpy_name} first"
        raise _error(
            "E0851", f"the input `{slot.name}` is {slot.type.dtype}, and gets {array.dtype}", slot, help
        )
    converted = array.astype(numpy_dtype(dtype))
    if dtype.is_int and bool((converted != array).any()):
        low, high = array.min(), array.max()
        message = f"the input `{slot.name}` is {dtype}, and its values run from {low} to {high}"
        raise _error("E0851", message, slot)
    return converted


def numpy_dtype(dtype: DType) -> Any:
    """The NumPy element type. Raises `MissingExtraError` where bf16 has no package behind it."""
    if dtype is DType.BF16:
        try:
            import ml_dtypes
        except ImportError:
            message = "bf16 arrays need `ml_dtypes`, which is not installed: pip install netdsl[bf16]"
            raise MissingExtraError.make("E0901", message) from None
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype.numpy_name)


def _bind_sizes(
    slot: Slot, shape: tuple[int, ...], sizes: dict[str, int], origins: dict[str, str], solving: bool
) -> None:
    declared = slot.type.shape
    if len(shape) != len(declared):
        message = f"the input `{slot.name}` is {slot.type}, and the array has shape {shape_text(shape)}"
        raise _error("E0852", message, slot, f"give it {len(declared)} axes")
    for axis, (size, actual) in enumerate(zip(declared, shape, strict=True)):
        free = sorted(size.symbols - sizes.keys())
        if len(free) == 1 and (solving or _is_symbol(size)):
            _solve(slot, axis, size, free[0], actual, sizes, shape)
            origins[free[0]] = f"axis {axis} of `{slot.name}`"
        elif not free and size.evaluate(sizes) != actual:
            _mismatch(slot, axis, size, actual, sizes, origins, shape)


def _is_symbol(size: Dim) -> bool:
    return (
        len(size.terms) == 1
        and size.terms[0][1] == 1
        and all(isinstance(a, Symbol) for a in size.terms[0][0])
    )


def _solve(
    slot: Slot, axis: int, size: Dim, name: str, actual: int, sizes: dict[str, int], shape: tuple[int, ...]
) -> None:
    """Give the one free size of `2*n + 1` the value that the array asks for."""
    at_zero = size.substitute({**sizes, name: 0})
    slope = size.substitute({**sizes, name: 1}) - at_zero
    solution = (dim(actual) - at_zero).exact_divide(slope) if slope != 0 else None
    if solution is None or not solution.is_fixed or solution.value < 0:
        message = f"axis {axis} of `{slot.name}` is `{size}`, and no {name} makes it {actual}"
        raise _error("E0852", message, slot, f"the array has shape {shape_text(shape)}")
    sizes[name] = solution.value


def _mismatch(
    slot: Slot,
    axis: int,
    size: Dim,
    actual: int,
    sizes: Mapping[str, int],
    origins: Mapping[str, str],
    shape: tuple[int, ...],
) -> None:
    expected = size.evaluate(sizes)
    because = [
        f"{name} = {sizes[name]} by {origins[name]}" for name in sorted(size.symbols) if name in origins
    ]
    worth = f"{expected}" if size.is_fixed else f"{size} = {expected}"
    message = f"the input `{slot.name}` is {slot.type}, and the array has shape {shape_text(shape)}: "
    message += f"axis {axis} must be {worth}, and is {actual}"
    raise _error("E0852", message, slot, "; ".join(because) or None)


def _error(code: str, message: str, slot: Slot | None, help: str | None = None) -> DataInputError:
    also = [Label(slot.span, "declared here")] if slot else []
    if not also:
        return DataInputError.make(code, message, help=help)
    return DataInputError(error(code, message, also[0].span, also[0].text, help=help).diagnostics)
