"""How the rows of one column become one input of the model: layout, size, scale and element type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from netdsl.dims import Dim
from netdsl.types import DType, TensorType
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, cast
from netruntime.readers.options import DataOptions
from netruntime.readers.pictures import Picture, PictureFit, channels_first, picture_of, three
from netruntime.readers.table import ColumnInfo
from netruntime.sizes import SizeClashError, bind_sizes

Step = Callable[[Array], Array]


@dataclass(frozen=True)
class Wanted:
    """An input that data is wanted for: its name and type, whose first axis is the batch."""

    name: str
    type: TensorType

    @property
    def item(self) -> tuple[Dim, ...]:
        """The axes of one row."""
        return self.type.shape[1:]

    def __str__(self) -> str:
        return f"input {shown(self.name)}, {self.type}"


@dataclass(frozen=True)
class Fit:
    """The steps from rows `[n, *raw]` to an input's values, and what they are then.

    `shape` is one row's, None where it is padded; `picture` is `(C, H, W)` where a row is a picture. `sizes`
    are the free symbols that the rows settle. `notes` say the steps in words.
    """

    steps: tuple[Step, ...]
    shape: tuple[int | None, ...]
    dtype: DType
    picture: Picture | None
    sizes: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def apply(self, rows: Array) -> Array:
        """The input's values. Raises `CastError` where its element type cannot hold them."""
        for step in self.steps:
            rows = step(rows)
        return cast(rows, self.dtype)


@dataclass(frozen=True)
class _Layout:
    """One way to read a row's axes."""

    step: Step | None
    shape: tuple[int, ...]
    picture: Picture | None
    note: str = ""


def conform(info: ColumnInfo, wanted: Wanted, options: DataOptions, sizes: Mapping[str, int]) -> Fit:
    """How a column fits an input. Raises `DataInputError` E1003 for another shape, E1004 for another kind."""
    _check_kind(info, wanted)
    if info.role == "label" and wanted.type.dtype.is_float and not options.is_label(wanted.name):
        raise holds_classes(info.source, wanted)
    if info.is_ragged:
        return _sequence_fit(info, wanted, sizes)
    layouts = list(_layouts(info, wanted))
    for layout in layouts:
        bound = _bind(layout.shape, wanted, sizes)
        if bound is not None:
            return _finish(layout, info, wanted, options, bound)
    resized = _resized(info, wanted, options)
    bound = _bind(resized.shape, wanted, sizes) if resized else None
    if resized is None or bound is None:
        raise _does_not_fit(info, wanted, sizes)
    return _finish(resized, info, wanted, options, bound)


def could_fit(info: ColumnInfo, wanted: Wanted, options: DataOptions, sizes: Mapping[str, int]) -> bool:
    """Whether `conform` would succeed."""
    try:
        conform(info, wanted, options, sizes)
    except DataInputError:
        return False
    return True


def holds_classes(source: str, wanted: Wanted) -> DataInputError:
    """E1004: numbers of classes, which say nothing of size, where a quantity is wanted."""
    message = f"{wanted} cannot take {source}, which holds classes or words"
    help = (
        "write numbers in its place, a column of 0 and 1 for each class, or give the classes to an i32 input"
    )
    return DataInputError.make("E1004", message, help=help)


def _check_kind(info: ColumnInfo, wanted: Wanted) -> None:
    dtype = wanted.type.dtype
    is_float, is_bool = info.dtype in ("f16", "bf16", "f32", "f64"), info.dtype == "bool"
    fits = not is_bool if dtype.is_float else not is_float and (dtype is DType.BOOL or not is_bool)
    if not fits:
        message = f"{wanted} cannot take {info.source}, which holds {info}"
        help = f"convert it first: array.astype({dtype.numpy_name!r})"
        raise DataInputError.make("E1004", message, help=help)


def _sequence_fit(info: ColumnInfo, wanted: Wanted, sizes: Mapping[str, int]) -> Fit:
    dims = wanted.item
    rest = info.shape[1:]
    if len(dims) == len(info.shape):
        bound = _bind_dims(dims[1:], tuple(size for size in rest if size is not None), sizes)
        if bound is not None:
            size = dims[0]
            notes = (f"rows shorter than {size} are padded",) if size.is_fixed else ()
            return Fit((), info.shape, wanted.type.dtype, None, bound, notes)
    raise _does_not_fit(info, wanted, sizes)


# -- layouts ---------------------------------------------------------------------------------------


def _layouts(info: ColumnInfo, wanted: Wanted) -> Iterator[_Layout]:
    """The ways to read a row, the likeliest first."""
    item, dims = info.item, wanted.item
    picture = picture_of(info)
    if len(item) == 3 and item[-1] in (1, 3) and len(dims) == 3 and not _is_size(dims[-1], item[-1]):
        shape = (item[2], item[0], item[1])
        yield _Layout(channels_first, shape, shape, "the channels are moved from last to first")
    yield _Layout(None, item, picture)
    if len(item) == 2 and len(dims) == 3:
        yield _Layout(lambda rows: rows[:, None], (1, *item), picture, "an axis of one channel is added")
    elif _fixed_size(dims) == math.prod(item) and _may_reshape(item, dims):
        yield _reshaped(item, tuple(dim.value for dim in dims), picture)


def _reshaped(item: tuple[int, ...], shape: tuple[int, ...], picture: Picture | None) -> _Layout:
    if len(shape) >= 2:
        picture = (1, *shape) if len(shape) == 2 else three(shape)
    same = [size for size in item if size != 1] == [size for size in shape if size != 1]
    note = "" if same else f"{list(item)} is reshaped to {list(shape)}"
    return _Layout(lambda rows: rows.reshape(len(rows), *shape), shape, picture, note)


def _may_reshape(item: tuple[int, ...], dims: tuple[Dim, ...]) -> bool:
    """Flat from any shape, any shape from flat, or the same but for axes of one."""
    ones = [size for size in item if size != 1] == [dim.value for dim in dims if dim.value != 1]
    return ones or len(dims) == 1 or len(item) == 1


def _resized(info: ColumnInfo, wanted: Wanted, options: DataOptions) -> _Layout | None:
    """Pictures of another size, where the options allow that."""
    found = PictureFit.of(info, wanted.item, options.resize or "stretch")
    if options.resize is None or found is None:
        return None
    return _Layout(found, tuple(dim.value for dim in wanted.item), found.target, found.note)


def _finish(
    layout: _Layout, info: ColumnInfo, wanted: Wanted, options: DataOptions, sizes: Mapping[str, int]
) -> Fit:
    steps = [layout.step] if layout.step else []
    notes = [layout.note] if layout.note else []
    if info.dtype == "u8" and wanted.type.dtype.is_float and options.scale != 1:
        steps.append(lambda rows: rows.astype(np.float32) * np.float32(options.scale))
        notes.append(f"bytes are multiplied by {_scale_text(options.scale)}")
    elif wanted.type.dtype.is_int and layout.note.startswith("pictures"):
        steps.append(lambda rows: np.rint(rows).astype(np.int64))
    fit = Fit(tuple(steps), layout.shape, wanted.type.dtype, layout.picture, sizes)
    return replace(fit, notes=tuple(notes))


# -- sizes -----------------------------------------------------------------------------------------


def _bind(shape: tuple[int, ...], wanted: Wanted, sizes: Mapping[str, int]) -> dict[str, int] | None:
    return _bind_dims(wanted.item, shape, sizes)


def _bind_dims(
    dims: tuple[Dim, ...], shape: tuple[int, ...], sizes: Mapping[str, int]
) -> dict[str, int] | None:
    if len(dims) != len(shape):
        return None
    try:
        return bind_sizes(dims, shape, sizes)
    except SizeClashError:
        return None


def _fixed_size(dims: tuple[Dim, ...]) -> int | None:
    return math.prod(dim.value for dim in dims) if all(dim.is_fixed for dim in dims) else None


def _is_size(dim: Dim, size: int) -> bool:
    return dim.is_fixed and dim.value == size


def _scale_text(scale: float) -> str:
    return f"1/{1 / scale:.6g}" if 0 < scale < 1 else f"{scale:.6g}"


def _does_not_fit(info: ColumnInfo, wanted: Wanted, sizes: Mapping[str, int]) -> DataInputError:
    message = f"{wanted} cannot take {info.source}, which holds {info}"
    known = [f"{name} is {sizes[name]}" for dim in wanted.item for name in sorted(dim.symbols & sizes.keys())]
    if known:
        message += f" ({', '.join(dict.fromkeys(known))})"
    help = "each row needs the shape of the input without its first axis"
    found = None if info.is_ragged else PictureFit.of(info, wanted.item, "stretch")
    if found:
        (_, height, width), (_, new_height, new_width) = found.picture, found.target
        help = f"`--resize stretch` makes pictures of {new_height}x{new_width} from {height}x{width}"
    return DataInputError.make("E1003", message, help=help)
