"""The arrays of all inputs: for one run, or batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netdsl.types import TensorType
from netruntime.cli.common.failures import usage_error
from netruntime.cli.run.feeds import Feed
from netruntime.data.padding import Filler
from netruntime.errors import DataInputError
from netruntime.readers.batches import Batch, read_batches
from netruntime.readers.inputs import Note, read_input, text_lengths
from netruntime.readers.options import DataOptions
from netruntime.readers.sources import find_files
from netruntime.sizes import SizeClashError, axis_elsewhere, bind_sizes

DEFAULT_BATCH = 16
"""Items per batch if the model leaves the batch size free."""

DEFAULT_SIZES = {"B": 1}
"""The batch size of generated inputs, unless it is set."""


@immutable
class Items:
    """The arrays of one run, and the names of the items along their first axis."""

    names: tuple[str, ...]
    arrays: Mapping[str, Any]


Fillers = Mapping[str, Filler]
"""The inputs that follow from the lengths of sequences, by name."""


def read_once(
    feeds: Sequence[Feed], fillers: Fillers, options: DataOptions, note: Note, *, seed: int
) -> dict[str, Any]:
    """The arrays by input name; `seed` is that of random ones.

    Raises `DataInputError`, and `CommandLineError` E0922 for unknown sizes.
    """
    arrays = {
        f.wanted.name: read_input(f.spec, f.wanted, options, note=note) for f in feeds if not f.is_generated
    }
    arrays = _in_order(feeds, arrays | _made_up(feeds, arrays, options, seed))
    return arrays | _filled(fillers, feeds, arrays, options)


def _filled(
    fillers: Fillers, feeds: Sequence[Feed], arrays: Mapping[str, Any], options: DataOptions
) -> dict[str, Any]:
    """Masks, lengths and segments of the sequences that were read."""
    by_name = {feed.wanted.name: feed for feed in feeds}
    result = {}
    for name, filler in fillers.items():
        count, width = arrays[filler.of].shape[:2]
        lengths = text_lengths(by_name[filler.of].spec, by_name[filler.of].wanted, options)
        if lengths is None or len(lengths) != count:
            lengths = np.full(count, width, np.int64)
        result[name] = filler.fill(lengths, width)
    return result


def split_feeds(
    feeds: Sequence[Feed], batch_size: int | None, types: Mapping[str, TensorType], note: Note
) -> list[Feed]:
    """The feeds to read batch by batch: folders and patterns; with a batch size, also files of many items.

    Files whose rows are one example, as those of a graph, are not split. Raises `CommandLineError` E0922 for
    a folder of such rows.
    """
    many = [feed for feed in feeds if feed.is_many]
    files = [f for f in feeds if not f.is_generated and f.wanted.type.shape and f.spec != "-"]
    if not many and (batch_size is None or not files):
        return []
    first = (many or files)[0].wanted
    reason = _together(first.type, types)
    if reason is None:
        return many or [f for f in files if f.wanted.type.shape[0] == first.type.shape[0]]
    if many:
        help = f"name one file: --input {first.name}=FILE"
        raise usage_error("E0922", f"the rows of {first} cannot come from several files: {reason}", help)
    note(f"{reason}: all rows are one batch")
    return []


def _together(type_: TensorType, types: Mapping[str, TensorType]) -> str | None:
    """Why the rows of an input cannot be run in parts, if their free size is another axis of an input."""
    free = bool(type_.rank) and not type_.shape[0].is_fixed
    return axis_elsewhere(type_.shape[0], types) if free else None


def count_files(many: Sequence[Feed]) -> int:
    """The number of files of the first feed. Raises `DataInputError` E0817 if there are none."""
    return len(find_files(many[0].spec))


def read_many(
    feeds: Sequence[Feed],
    fillers: Fillers,
    many: Sequence[Feed],
    batch_size: int | None,
    options: DataOptions,
    note: Note,
    *,
    seed: int,
) -> Iterator[Items]:
    """The inputs batch by batch: `many` in parallel, and the other feeds the same for each batch.

    Raises `DataInputError` (E0854 if the feeds hold different numbers of items).
    """
    others = [feed for feed in feeds if feed not in many]
    constant = {
        f.wanted.name: read_input(f.spec, f.wanted, options, note=note) for f in others if not f.is_generated
    }
    size = batch_size if batch_size is not None else _natural_batch(many, options)
    readers = [read_batches(feed.spec, feed.wanted, size, options, note=note) for feed in many]
    for batches in zip_longest(*readers):
        _check_counts(many, batches)
        arrays = constant | {f.wanted.name: batch.array for f, batch in zip(many, batches, strict=True)}
        arrays = _in_order(feeds, arrays | _made_up(feeds, arrays, options, seed))
        yield Items(batches[0].names, arrays | _filled(fillers, feeds, arrays, options))


def batch_axis(many: Sequence[Feed]) -> Dim:
    """The size, as declared, of the axis that runs over the items."""
    return many[0].wanted.type.shape[0]


def _natural_batch(many: Sequence[Feed], options: DataOptions) -> int:
    """The model's batch size if it is fixed; else one that is safe for most memories."""
    shape = many[0].wanted.type.shape
    if not shape:
        return 1
    first = shape[0].substitute(options.sizes)
    return first.value if first.is_fixed else DEFAULT_BATCH


def _check_counts(many: Sequence[Feed], batches: Sequence[Batch | None]) -> None:
    counts = [0 if batch is None else len(batch.names) for batch in batches]
    if len(set(counts)) > 1:
        longest, shortest = many[counts.index(max(counts))], many[counts.index(min(counts))]
        message = f"{longest.wanted} has more items than {shortest.wanted}"
        help = "give both the same number of files; they are paired in the order of their names"
        raise DataInputError.make("E0854", message, help=help)


def _made_up(
    feeds: Sequence[Feed], known: Mapping[str, Any], options: DataOptions, seed: int
) -> dict[str, Any]:
    generated = [feed for feed in feeds if feed.is_generated]
    if not generated:
        return {}
    sized = replace(options, sizes=_sizes(feeds, generated, known, options))
    return {f.wanted.name: read_input(f.spec, f.wanted, sized, seed=seed) for f in generated}


def _sizes(
    feeds: Sequence[Feed], generated: Sequence[Feed], known: Mapping[str, Any], options: DataOptions
) -> dict[str, int]:
    """The sizes that are set, those that the arrays read so far determine, and the defaults."""
    sizes = dict(options.sizes)
    for feed in feeds:
        if feed.wanted.name in known:
            with suppress(SizeClashError):  # the runtime reports a clash with both inputs
                sizes = bind_sizes(feed.wanted.type.shape, known[feed.wanted.name].shape, sizes)
    sizes = DEFAULT_SIZES | sizes
    free = {
        name: feed
        for feed in reversed(generated)  # the message then names the first of them
        for size in feed.wanted.type.shape
        for name in size.symbols
        if name not in sizes
    }
    if free:
        names = sorted(free)
        words = f"{'sizes' if len(names) > 1 else 'size'} of {' and '.join(f'`{name}`' for name in names)}"
        feed = free[names[0]]
        message = f"`{feed.spec}` needs the {words} for {feed.wanted}, which is {feed.wanted.type}"
        raise usage_error("E0922", message, "add " + " ".join(f"--size {name}=32" for name in names))
    return sizes


def _in_order(feeds: Sequence[Feed], arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {feed.wanted.name: arrays[feed.wanted.name] for feed in feeds}
