"""Conversion of data to an input of the model: layout, size, scale and element type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.types import DType
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, CastError, cast, info_of
from netruntime.memory import lack_text, shortage
from netruntime.quantities import bytes_text
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.layouts import Conversion, Layout, layouts, resized, rounded
from netruntime.readers.pixels.pictures import Picture, PictureFit
from netruntime.readers.pixels.scaling import (
    as_in_training,
    normalise_note,
    normalised,
    scaling,
    unscaled_note,
)
from netruntime.readers.table import DECIMAL_COMMA, ColumnInfo, info_of_rows
from netruntime.sizes import SizeClashError, bind_sizes


@immutable
class Fit:
    """The steps from rows `[n, *raw]` to an input's values, and what they are then.

    `shape` is one row's, None where it is padded; `picture` is `(C, H, W)` where a row is a picture. `sizes`
    are the free symbols that the rows settle. `notes` describe the steps.
    """

    steps: tuple[Conversion, ...]
    shape: tuple[int | None, ...]
    dtype: DType
    picture: Picture | None
    sizes: Mapping[str, int]
    notes: tuple[str, ...] = ()
    normalise: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def apply(self, rows: Array) -> Array:
        """The input's values. Raises `CastError` where its element type cannot hold them."""
        for step in self.steps:
            rows = step(rows)
        values = cast(rows, self.dtype)
        if self.normalise is None or self.picture is None:
            return values
        return normalised(values, self.picture, *self.normalise)


def conform(
    info: ColumnInfo,
    wanted: InputSpec,
    options: DataOptions,
    sizes: Mapping[str, int],
    *,
    resizing: bool = True,
) -> Fit:
    """How the rows of a column fit an input, along whose first axis they go.

    Pictures are brought to the input's size where `resizing` is set and the options allow it. Raises
    `DataInputError` E0801 for another shape, E0804 for another kind of value.
    """
    _check_kind(info, wanted)
    if info.role == "label" and wanted.type.dtype.is_float and not options.is_label(wanted.name):
        raise holds_classes(info.source, wanted)
    known = sizes if info.rows is None else _bind(wanted.batch, (info.rows,)[: len(wanted.batch)], sizes)
    if info.is_ragged or known is None:
        return _sequence_fit(info, wanted, sizes)
    choices = list(layouts(info, wanted.item))
    if resizing and (larger := _resized(info, wanted, options)):
        choices.append(larger)
    for layout in choices:
        bound = _bind(wanted.item, layout.shape, known)
        if bound is not None:
            return _finish(layout, info, wanted, options, bound)
    raise does_not_fit(info, wanted, sizes)


def could_fit(
    info: ColumnInfo, wanted: InputSpec, options: DataOptions, sizes: Mapping[str, int], *, resizing: bool
) -> bool:
    """Whether `conform` would succeed."""
    try:
        conform(info, wanted, options, sizes, resizing=resizing)
    except DataInputError:
        return False
    return True


def fit_array(
    array: Array, wanted: InputSpec, where: str, options: DataOptions, info: ColumnInfo | None = None
) -> tuple[Array, tuple[str, ...]]:
    """An array, which has the input's axes or ones that can become them, as the input's values.

    `where` names it in messages; `info` says more of its rows where a reader knows more. Also returns notes
    that say what was done. Raises `DataInputError`: E0801 for a shape, E0804 for an element type, E0805 for
    NaN or infinity.
    """
    if array.ndim and wanted.type.rank:
        rows = info_of_rows(array) if info is None else info
        fit = conform(replace(rows, source=where, rows=len(array)), wanted, options, options.sizes)
    else:
        _check_axes(array, wanted, where)
        steps, notes = scaling(info_of(array).dtype, None, wanted, options)
        fit = Fit(steps, (), wanted.type.dtype, None, {}, notes)
    _check_room(array, fit, wanted, where)
    try:
        values = fit.apply(array)
    except CastError as lost:
        raise refuse_values(wanted, where, lost) from lost
    if not options.allow_nonfinite:
        check_finite(values, wanted, where)
    is_bytes = info is not None and info.dtype == "u8"  # resized, they are floats
    unscaled = () if is_bytes else unscaled_note(array, fit.picture, wanted, options)
    return values, (*fit.notes, *unscaled)


def _check_room(array: Array, fit: Fit, wanted: InputSpec, where: str) -> None:
    """Raise `DataInputError` E0822 if the converted copy does not fit in memory; a view needs none."""
    dtype = wanted.type.dtype
    if not fit.steps and info_of(array).dtype == dtype.value:
        return
    known = None not in fit.shape and array.ndim and fit.shape
    count = len(array) * math.prod(size or 1 for size in fit.shape) if known else array.size
    needed = count * dtype.itemsize
    free = shortage(needed)
    if free is not None:
        size = f"{where}, {info_of(array)}, needs {bytes_text(needed)} of memory as {dtype.value}"
        message = f"{size}, but {lack_text(free)}"
        help = "read fewer rows at once, or make the input of the data's own element type"
        raise wanted.refuse("E0822", message, help=help)


def check_finite(values: Array, wanted: InputSpec, where: str) -> None:
    """Raises `DataInputError` E0805, with the first place, where an input of floats has NaN or infinity."""
    if not wanted.type.dtype.is_float or (finite := np.isfinite(values)).all():
        return
    count = int((~finite).sum())
    place = [int(n) for n in np.unravel_index(int(np.argmin(finite)), values.shape)]
    first = f"{values[tuple(place)]}{f' at {place}' if place else ''}"
    what = first if count == 1 else f"{count} values that are not finite; the first is {first}"
    help = "fix the data or remove it, or pass `--allow-nonfinite`"
    raise wanted.refuse("E0805", f"{where} holds {what}", help=help)


def refuse_values(wanted: InputSpec, where: str, lost: CastError) -> DataInputError:
    """The error E0804 for values that an input's element type cannot hold."""
    return wanted.refuse("E0804", f"{wanted} is {wanted.type}, but {where} {lost}", help=lost.help)


def holds_classes(source: str, wanted: InputSpec, values: Sequence[str] = ()) -> DataInputError:
    """E0804: numbers of classes, which say nothing of size, where a quantity is wanted.

    `values` are what the column holds, as far as they are known.
    """
    comma = next((value for value in values if DECIMAL_COMMA.fullmatch(value.strip())), None)
    if comma is not None:
        message = f"{wanted} is {wanted.type}, but {source} holds {shown(comma)}, with a decimal comma"
        help = f"write numbers with a decimal point: {comma.strip().replace(',', '.')}"
        return wanted.refuse("E0804", message, help=help)
    what = f"words, such as {shown(values[0])}" if values else "classes or words"
    message = f"{wanted} is {wanted.type}, but {source} holds {what}"
    help = (
        "write numbers in its place, a column of 0 and 1 for each class, or give the classes to an i32 input"
    )
    return wanted.refuse("E0804", message, help=help)


def does_not_fit(info: ColumnInfo, wanted: InputSpec, sizes: Mapping[str, int]) -> DataInputError:
    """The error E0801, with both shapes."""
    message = f"{wanted} is {wanted.type}, but {info.source} holds {info}"
    if len(info.shape) != len(wanted.item):
        message += f": it has {_axes(len(info.shape) + 1)}, not {len(wanted.item) + 1}"
    elif not info.is_ragged and (clash := _clash(info, wanted, sizes)):
        message += f": {clash}"
    return wanted.refuse("E0801", message, help=_shape_help(info, wanted))


def _check_kind(info: ColumnInfo, wanted: InputSpec) -> None:
    dtype = wanted.type.dtype
    is_float, is_bool = info.dtype in ("f16", "bf16", "f32", "f64"), info.dtype == "bool"
    fits = not is_bool if dtype.is_float else not is_float and (dtype is DType.BOOL or not is_bool)
    if not fits:
        message = f"{wanted} is {wanted.type}, but {info.source} holds {info}"
        help = f"convert it first: array{'.round()' if is_float else ''}.astype({dtype.numpy_name!r})"
        if ", column " in info.source:  # a table of text
            help = f"write whole values, or declare {shown(wanted.name)} as f32"
        help = _one_hot_help(info, wanted) or help
        raise wanted.refuse("E0804", message, help=help)


def _check_axes(array: Array, wanted: InputSpec, where: str) -> None:
    """Raise E0801 unless the array has as many axes as the input."""
    if array.ndim != wanted.type.rank:
        message = f"{wanted} is {wanted.type}, but {where} holds {info_of(array)}"
        sizes = ", ".join(map(str, array.shape[1:]))
        ways = f"give arrays with {_axes(wanted.type.rank)}, or declare {wanted.type.dtype}[B, {sizes}]"
        help = ways if sizes else None
        problem = f"it has {_axes(array.ndim)}, not {wanted.type.rank}"
        raise wanted.refuse("E0801", f"{message}: {problem}", help=help)


def _sequence_fit(info: ColumnInfo, wanted: InputSpec, sizes: Mapping[str, int]) -> Fit:
    dims, rest = wanted.item, info.shape[1:]
    if info.is_ragged and info.rows is None and len(dims) == len(info.shape):
        bound = _bind(dims[1:], tuple(size for size in rest if size is not None), sizes)
        if bound is not None:
            notes = (f"rows shorter than {dims[0]} are padded",) if dims[0].is_fixed else ()
            return Fit((), info.shape, wanted.type.dtype, None, bound, notes)
    raise does_not_fit(info, wanted, sizes)


def _resized(info: ColumnInfo, wanted: InputSpec, options: DataOptions) -> Layout | None:
    """Pictures of another size: bytes for floats in any case, other numbers where `resize` is given."""
    is_int = not wanted.type.dtype.is_float
    how = options.resize or (None if is_int or info.dtype != "u8" else "stretch")
    if how is None:
        return None
    dims = options.with_sizes(wanted.item)
    if is_int and options.is_label(wanted.name):
        around = options.label_spec(wanted.name).pad or 0
        return resized(info, dims, how, repeat_grey=False, classes=around)
    layout = resized(info, dims, how, repeat_grey=options.resize is not None)
    return rounded(layout) if layout and is_int else layout


def _finish(
    layout: Layout, info: ColumnInfo, wanted: InputSpec, options: DataOptions, sizes: Mapping[str, int]
) -> Fit:
    picture = layout.picture or as_in_training(layout.shape, wanted, options)
    steps, notes = scaling(info.dtype, picture, wanted, options)
    if layout.step:
        steps = (layout.step, *steps)
    notes = (layout.note, *notes) if layout.note else notes
    before = options.pictures.get(wanted.name)
    if layout.picture and before and before[1:] != layout.picture[1:]:
        sizes_text = [f"{height}x{width}" for _, height, width in (layout.picture, before)]
        notes = (*notes, f"images are {sizes_text[0]}, but {sizes_text[1]} in training")
    normalise = options.normalise if picture and wanted.type.dtype.is_float else None
    notes = notes if normalise is None else (*notes, normalise_note(normalise))
    return Fit(steps, layout.shape, wanted.type.dtype, picture, sizes, notes, normalise)


# -- sizes -----------------------------------------------------------------------------------------


def _bind(dims: Sequence[Dim], shape: Sequence[int], sizes: Mapping[str, int]) -> dict[str, int] | None:
    """The sizes, extended by those that `shape` determines; None if they clash."""
    if len(dims) != len(shape):
        return None
    try:
        return bind_sizes(dims, shape, sizes)
    except SizeClashError:
        return None


def _clash(info: ColumnInfo, wanted: InputSpec, sizes: Mapping[str, int]) -> str:
    """The axis that does not fit, and the reason."""
    has_rows = info.rows is not None and not wanted.is_item
    dims, shape = (wanted.type.shape, (info.rows or 0, *info.item)) if has_rows else (wanted.item, info.item)
    try:
        bind_sizes(dims, shape, sizes)
    except SizeClashError as clash:
        return f"axis {clash.axis + (0 if has_rows or wanted.is_item else 1)} {clash.reason}"
    return ""


def _one_hot_help(info: ColumnInfo, wanted: InputSpec) -> str | None:
    """The way out for labels that are one 0 or 1 for each class, where indices are wanted."""
    if len(info.shape) != len(wanted.item) + 1 or not wanted.type.dtype.is_int or info.is_ragged:
        return None
    shape = ", ".join(map(str, (*wanted.type.shape, info.shape[-1])))
    return (
        f"if the last axis has a value for each class, give the classes, labels.argmax(axis=-1), "
        f"or declare {shown(wanted.name)} as f32[{shape}]"
    )


def _shape_help(info: ColumnInfo, wanted: InputSpec) -> str | None:
    if (one_hot := _one_hot_help(info, wanted)) and info.rows is None:
        return one_hot
    fit = None if info.is_ragged else PictureFit.of(info, wanted.item, "stretch")
    if fit and fit.target[1:] != fit.picture[1:]:
        (_, height, width), (_, new_height, new_width) = fit.picture, fit.target
        return f"`--resize stretch` makes images of {new_height}x{new_width} from {height}x{width}"
    if info.rows is None:
        row, batch = ", ".join(map(str, wanted.item)), [str(size) for size in wanted.batch]
        declared = f"{wanted.name}: {wanted.type.dtype}[{', '.join([*batch, *map(str, info.shape)])}]"
        return f"declare `{declared}`, or give rows of shape [{row}]"
    shape = wanted.type.shape
    if len(info.shape) + 1 == len(shape) - 1 and not shape[0].is_fixed:
        return f"one item needs an axis for `{shape[0]}`: array[None]"
    if len(info.shape) + 1 != len(shape):
        return f"give an array with {_axes(len(shape))}, or declare the input as {info}"
    return None


def _axes(count: int) -> str:
    return "no axes" if not count else "1 axis" if count == 1 else f"{count} axes"
