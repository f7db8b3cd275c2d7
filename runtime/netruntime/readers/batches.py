"""Many items, batch by batch: folders, globs, and files that hold more than fits at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from netdsl.dims import Dim, symbol
from netdsl.immutable import immutable
from netruntime.errors import shown
from netruntime.files.arrays import Array, info_of
from netruntime.readers.input_spec import InputSpec, declared
from netruntime.readers.inputs import Note, read_file
from netruntime.readers.options import DEFAULT_OPTIONS, DataOptions
from netruntime.readers.sources import find_files

_ITEMS = symbol("items")


@immutable
class Batch:
    """Items stacked along the input's first axis, and the name of each."""

    names: tuple[str, ...]
    array: Array


@immutable
class _Item:
    """One item, with a leading axis of 1."""

    name: str
    array: Array


def read_batches(
    spec: str,
    wanted: InputSpec,
    batch_size: int,
    options: DataOptions = DEFAULT_OPTIONS,
    *,
    note: Note | None = None,
) -> Iterator[Batch]:
    """The items that `spec` names, `batch_size` at a time; the last batch may be smaller.

    `spec` is a folder (its data files in the order of their names), a glob (`photos/*.jpg`), or one file,
    whose first axis is the items. An input whose first axis is fixed takes batches of just that size.
    Files are read when they are reached. Raises `DataInputError`: E0817 if there are no files, E0818 if
    items do not form a batch, and those of `read_input`.
    """
    with declared(wanted):
        files = find_files(spec)
    size = _batch_size(wanted, batch_size, options)
    return _batches(files, wanted, size, options, note)


def _batch_size(wanted: InputSpec, asked: int, options: DataOptions) -> int:
    if asked < 1:
        raise wanted.refuse("E0818", f"a batch has at least 1 item, but {asked} were requested")
    fixed = _fixed_size(wanted, options)
    if fixed not in (None, asked):
        message = f"{wanted} is {wanted.type}, batches of {fixed}, but batches of {asked} were requested"
        raise wanted.refuse("E0818", message)
    return asked


def _fixed_size(wanted: InputSpec, options: DataOptions) -> int | None:
    """The size of the first axis, unless it is free."""
    if not wanted.type.shape:
        raise wanted.refuse("E0818", f"{wanted} is {wanted.type}, which has no axis for several items")
    first: Dim = wanted.type.shape[0].substitute(options.sizes)
    return first.value if first.is_fixed else None


def _batches(
    files: Sequence[Path], wanted: InputSpec, size: int, options: DataOptions, note: Note | None
) -> Iterator[Batch]:
    waiting: list[_Item] = []
    for path in files:
        for item in _items(path, wanted, options, note):
            waiting.append(item)
            if len(waiting) == size:
                yield _stack(waiting, wanted)
                waiting = []
    if waiting and _fixed_size(wanted, options) is not None:
        message = f"{wanted} takes batches of {size}, but {len(waiting)} items are left for the last"
        raise wanted.refuse("E0818", message)
    if waiting:
        yield _stack(waiting, wanted)


def _items(path: Path, wanted: InputSpec, options: DataOptions, note: Note | None) -> Iterator[_Item]:
    any_count = wanted
    if _fixed_size(wanted, options) is not None:
        any_count = replace(wanted, type=wanted.type.with_shape((_ITEMS, *wanted.type.shape[1:])))
    with declared(wanted):
        fitted = read_file(str(path), any_count, options, note, one_item=True)
    for n in range(len(fitted)):
        yield _Item(path.name if len(fitted) == 1 else f"{path.name}[{n}]", fitted[n : n + 1])


def _stack(items: Sequence[_Item], wanted: InputSpec) -> Batch:
    first = items[0]
    for item in items:
        if item.array.shape != first.array.shape:
            shapes = info_of(first.array[0]), info_of(item.array[0])
            both = f"{shown(first.name)} is {shapes[0]} and {shown(item.name)} {shapes[1]}"
            free = [d for d in wanted.type.shape[1:] if not d.is_fixed]
            sizes = " ".join(f"--size {name}=N" for d in free for name in sorted(d.symbols))
            help = "read them one by one: --batch-size 1"
            if sizes:
                help = f"give the free sizes values: {sizes}, and for images --resize crop; or {help}"
            raise wanted.refuse("E0818", f"items of one batch are of one shape, but {both}", help=help)
    names = tuple(item.name for item in items)
    return Batch(names, np.concatenate([item.array for item in items]))
