"""Binding inputs: arrays are checked against the model's declared types, and free sizes get values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from netdsl.diagnostics import Label, error, suggest
from netdsl.dims import Dim
from netdsl.model import Assumption, Model, Slot
from netdsl.ops.numerics.checks import DeferredChecks
from netdsl.types import shape_text
from netruntime.engine.backends import Device
from netruntime.engine.narrowing import narrow
from netruntime.engine.reading import read
from netruntime.errors import DataInputError
from netruntime.files.arrays import CastError, cast, info_of, plain_array
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text
from netruntime.sizes import SizeClashError, bind_sizes

MAX_TURNED = 5
"""For arrays with more axes than this, no other order of them is looked for."""


def bind_inputs(
    model: Model, given: Mapping[str, Any], device: Device, checks: DeferredChecks | None = None
) -> tuple[dict[str, Any], dict[str, int]]:
    """The inputs as arrays of the declared element types on the device, and the values of free sizes.

    Integers and floats become floats, which may round them; integers become other integers, and 0 and 1
    truth values. Values out of range are refused.

    Args:
        checks: Collects what must be checked on a GPU, for `reading.read`; it also learns the integers that
            come from the host. By default such checks are read here.

    Raises:
        DataInputError: E0850 for names, E0851 for element types and values, E0852 for ranks and sizes.
        MissingExtraError: bf16 arrays where no package provides them.
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
    own = DeferredChecks(device.xp) if checks is None else checks
    with device.active():
        arrays = {name: _as_array(slot, given[name], device, own) for name, slot in slots.items()}
    if checks is None:
        read(device, [own])
    return arrays, _bind_sizes([(slot, tuple(arrays[name].shape)) for name, slot in slots.items()])


def broken_assumption(model: Model, sizes: Mapping[str, int]) -> Assumption | None:
    """The first assumption of the model that is not true of these sizes."""
    return next((one for one in model.assumptions if not one.condition.holds(sizes)), None)


def check_assumptions(model: Model, sizes: Mapping[str, int]) -> None:
    """Raise `DataInputError` E0853 for sizes of which something is not true that the model assumes."""
    broken = broken_assumption(model, sizes)
    if broken is not None:
        values = ", ".join(f"{name} is {sizes[name]}" for name in sorted(broken.condition.symbols))
        verb, note = ("asserts", "asserted here") if broken.is_stated else ("assumes", "needed here")
        reason = f": {broken.message}" if broken.message else ""
        message = f"`{model.name}` {verb} that {broken.condition}, but {values}{reason}"
        raise DataInputError(error("E0853", message, broken.span, note).diagnostics)


def _as_array(slot: Slot, value: Any, device: Device, checks: DeferredChecks) -> Any:
    if device.xp is not np and isinstance(value, device.xp.ndarray):
        return _converted(slot, value, device, checks)
    try:
        host = plain_array(value)
    except ValueError as wrong:
        raise _error("E0851", f"the input `{slot.name}` is not an array of numbers: {wrong}", slot) from None
    host = _converted(slot, host, device)
    return host if device.xp is np else _uploaded(slot, host, device, checks)


def _converted(slot: Slot, array: Any, device: Device, checks: DeferredChecks | None = None) -> Any:
    """The array in the element type of the input; checks of values that are on a GPU are deferred."""
    if str(array.dtype) == slot.type.dtype.numpy_name:
        return array
    needed = int(array.size) * slot.type.dtype.itemsize
    free = shortage(needed, device.xp)
    if free is not None:
        wants = f"{bytes_text(needed)} of memory as {slot.type.dtype.value}"
        message = f"the input `{slot.name}`, {info_of(array)}, needs {wants}, but {lack_text(free)}"
        raise _error("E0822", message, slot, "run fewer rows at a time")
    try:
        if checks is not None:
            return narrow(device.xp, array, slot.type.dtype, checks, partial(_misfit, slot))
        return cast(array, slot.type.dtype)
    except CastError as lost:
        raise _misfit(slot, lost) from None


def _misfit(slot: Slot, lost: CastError) -> DataInputError:
    message = f"the input `{slot.name}` is {slot.type}, but the array {lost}"
    return _error("E0851", message, slot, lost.help)


def _uploaded(slot: Slot, host: Any, device: Device, checks: DeferredChecks) -> Any:
    try:
        array = device.xp.asarray(host)
    except (MemoryError, RuntimeError) as full:
        if not device.is_full(full):
            raise
        message = (
            f"the input `{slot.name}` needs {host.nbytes:,} bytes, which do not fit in memory: "
            f"{device.free_memory()}"
        )
        raise _error("E0822", message, slot, "use smaller batches, or another device") from None
    if host.dtype.kind in "iu":
        checks.remember(array, host)
    return array


def _other_rank(slot: Slot, shape: tuple[int, ...]) -> str:
    """How an array gets the axes of an input: an axis of size 1 that is added or removed, if that is all."""
    wanted = [size.value if size.is_fixed else None for size in slot.type.shape]
    for axis in range(max(len(shape), len(wanted))):
        if _fits((*shape[:axis], 1, *shape[axis:]), wanted):
            return f"add the axis of size 1: numpy.expand_dims({slot.name}, {axis})"
        if shape[axis : axis + 1] == (1,) and _fits((*shape[:axis], *shape[axis + 1 :]), wanted):
            return f"remove the axis of size 1: numpy.squeeze({slot.name}, {axis})"
    return f"give it {slot.type.rank} axes"


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(w in (None, n) for n, w in zip(shape, wanted, strict=True))


def _bind_sizes(shapes: list[tuple[Slot, tuple[int, ...]]]) -> dict[str, int]:
    """The values of all free sizes, from each input and the shape of its array."""
    for slot, shape in shapes:
        if len(shape) != slot.type.rank:
            raise _error("E0852", _is_and_has(slot, shape), slot, _other_rank(slot, shape))
    axes = [(slot, shape, axis) for slot, shape in shapes for axis in range(len(shape))]
    try:
        sizes = bind_sizes(
            [slot.type.shape[axis] for slot, _, axis in axes], [shape[axis] for _, shape, axis in axes], {}
        )
    except SizeClashError as clash:
        slot, shape, axis = axes[clash.axis]
        message = f"{_is_and_has(slot, shape)}: axis {axis} {clash.reason}"
        because = _because(clash, axes)
        help = because or _channels_first(slot, shape) or _other_size(slot, shape, axis)
        raise _error("E0852", message, slot, help, None if because else slot.type.shape[axis]) from None
    for slot, shape, axis in axes:
        for name in sorted(slot.type.shape[axis].symbols - sizes.keys()):
            message = f"{_is_and_has(slot, shape)}, which leaves `{name}` open"
            raise _error("E0852", message, slot, f"give `{name}` an axis of its own in one of the inputs")
    return sizes


def _channels_first(slot: Slot, shape: tuple[int, ...]) -> str | None:
    """How an image with its channels last becomes one with its channels first, if that is all."""
    wanted = [size.value if size.is_fixed else None for size in slot.type.shape]
    if len(shape) < 4 or not _fits((shape[0], shape[-1], *shape[1:-1]), wanted):
        return None
    return f"the channels come first: numpy.moveaxis({slot.name}, -1, 1)"


def _other_size(slot: Slot, shape: tuple[int, ...], axis: int) -> str | None:
    """How an array gets the size of an axis that is fixed, or the model the size of the array."""
    size = slot.type.shape[axis]
    if not size.is_fixed:
        return f"give axis {axis} a size that is `{size}`"
    wanted = [one.value if one.is_fixed else None for one in slot.type.shape]
    orders = _orders(shape, wanted) if len(shape) <= MAX_TURNED else []
    if len(orders) == 1:
        return f"its axes are in another order: numpy.transpose({slot.name}, {orders[0]})"
    needed = f"give axis {axis} of `{slot.name}` the size {size}"
    if size.origin is not None and size.origin.text.isidentifier():
        setting = f"{size.origin.text}={shape[axis]}"
        return f"{needed}, or set the entry of `config`: `load(.., {setting})` or `--set {setting}`"
    sizes = ", ".join(str(shape[n]) if n == axis else str(one) for n, one in enumerate(slot.type.shape))
    return f"{needed}, or declare `{slot.name}: {slot.type.dtype}[{sizes}]`"


def _orders(shape: tuple[int, ...], wanted: Sequence[int | None]) -> list[tuple[int, ...]]:
    """The orders of the axes of an array that fit; those that keep its rows first, if some do."""
    every = permutations(range(len(shape)))
    orders = [order for order in every if _fits([shape[n] for n in order], wanted)]
    return [order for order in orders if order[0] == 0] or orders


def _is_and_has(slot: Slot, shape: tuple[int, ...]) -> str:
    return f"the input `{slot.name}` is {slot.type}, but the array has shape {shape_text(shape)}"


def _because(clash: SizeClashError, axes: list[tuple[Slot, tuple[int, ...], int]]) -> str | None:
    """Which axes settled the symbols of the size that does not fit, where it has more than itself."""
    slot, _, axis = axes[clash.axis]
    because = []
    for name in sorted(slot.type.shape[axis].symbols & clash.learned.keys()):
        source, shape, where = axes[clash.learned[name]]
        because.append(f"axis {where} of `{source.name}`, `{source.type.shape[where]}`, is {shape[where]}")
    return "; ".join(because) or None


def _error(
    code: str, message: str, slot: Slot | None, help: str | None = None, size: Dim | None = None
) -> DataInputError:
    """An error at the declaration of an input, and at the place that sets the size of an axis of it."""
    if slot is None:
        return DataInputError.make(code, message, help=help)
    also = [] if size is None or size.origin is None else [Label(size.origin, f"{size} is set here")]
    return DataInputError(error(code, message, slot.span, "declared here", help=help, also=also).diagnostics)
