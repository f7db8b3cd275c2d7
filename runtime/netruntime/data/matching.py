"""Assignment of the data's columns to the model's inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from netdsl.diagnostics import suggest
from netdsl.immutable import immutable
from netdsl.types import TensorType
from netruntime.data.padding import LENGTH, Filler, filler_kind
from netruntime.errors import DataInputError, shown
from netruntime.readers.fitting import Fit, conform, could_fit, holds_classes
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.merged import joined_info, members_of, trained_columns
from netruntime.readers.options import DataOptions
from netruntime.readers.table import ColumnInfo, Table

MAX_TRIED = 12
"""With more columns than this left over, no assignment is looked for: it could not be the only one."""


@immutable
class BoundColumn:
    """The columns that one input is made from (several numbers side by side, or one), and how."""

    columns: tuple[str, ...]
    info: ColumnInfo
    wanted: InputSpec
    fit: Fit


@immutable
class Match:
    """What each input is made from, and notes on what the names alone do not say."""

    bound: Mapping[str, BoundColumn]
    fillers: Mapping[str, Filler]
    notes: tuple[str, ...]


def match_columns(
    table: Table, wanted: Mapping[str, TensorType], options: DataOptions, one_example: str | None = None
) -> Match:
    """The columns for the inputs: by name first, then where just one assignment makes sense.

    An input that is a vector may be made from several columns of numbers: those called `x0`, `x1`, ... (or
    `x_0`, `x.0`, `x[0]`) for an input `x`, or all numbers left over where just one vector is wanted. Masks
    and lengths that the data lacks are filled in (`padding.Filler`). If all rows are one example, for the
    reason `one_example`, their number is a size like any other. Raises `DataInputError`: E0830 where no
    assignment, or more than one, makes sense, and those of `conform`.
    """
    _check_sizes(wanted, options)
    inputs = {name: InputSpec(name, type) for name, type in wanted.items()}
    chosen: dict[str, tuple[str, ...]] = {}
    for name in inputs:
        trained = trained_columns(name, table.columns, options, "the data")
        if trained is not None:
            chosen[name] = trained
        elif name in table.columns:
            chosen[name] = (name,)
    for name in inputs.keys() - chosen.keys():
        if len(members := members_of(name, table.columns)) > 1:
            chosen[name] = members
    fillers = fillers_for(inputs, chosen)
    missing = [name for name in inputs if name not in chosen and name not in fillers]
    notes: list[str] = []
    if missing:
        found = _assign(missing, inputs, chosen, table, options)
        notes += [_given_note(name, columns, options) for name, columns in found.items()]
        chosen |= found
    bound = _conform_all(inputs, chosen, table, options, one_example)
    notes += [f"{shown(name)}: {note}" for name, b in bound.items() for note in b.fit.notes]
    return Match(bound, fillers, tuple(notes))


def _conform_all(
    inputs: Mapping[str, InputSpec],
    chosen: Mapping[str, tuple[str, ...]],
    table: Table,
    options: DataOptions,
    one_example: str | None,
) -> dict[str, BoundColumn]:
    sizes = dict(options.sizes)
    bound = {}
    for name, want in inputs.items():
        if name in chosen:
            info = joined_info(chosen[name], table.columns)
            if one_example is not None:
                info = replace(info, rows=table.count(chosen[name][0]))
            words = [c for c in chosen[name] if table.columns[c].role == "label"]
            alone = len(chosen[name]) == 1 and options.is_label(want.name)
            if words and want.type.dtype.is_float and not alone:
                values = table.classes.get(words[0], ())
                raise holds_classes(table.columns[words[0]].source, want, values)
            _refuse_empty_classes(chosen[name], table)
            if alone and want.type.dtype.is_int and not want.item:
                _refuse_fractions(chosen[name][0], want, table)
            with _explained(one_example):
                fit = conform(info, want, options, sizes)
            sizes |= fit.sizes
            bound[name] = BoundColumn(chosen[name], info, want, fit)
    return bound


def _refuse_fractions(column: str, want: InputSpec, table: Table) -> None:
    """Raise `DataInputError` E0804 for a label that is not an integer, with its row and value."""
    info = table.columns[column]
    if info.shape or not info.dtype.startswith("f") or column not in table.ready:
        return
    values = np.asarray(table.take([column], np.arange(len(table)))[column])
    if (wrong := np.flatnonzero(values != np.rint(values))).size:
        first = int(wrong[0])
        message = f"{want} is {want.type}, but {table.place(column, first)} holds {values[first]}"
        help = (
            "write the number of a class; if a quantity is meant, declare the input with floats and use "
            "a loss of numbers, such as `mse`"
        )
        raise want.refuse("E0804", message, help=help)


@contextmanager
def _explained(one_example: str | None) -> Iterator[None]:
    """Add why rows are one example to errors about their shape that are raised inside."""
    try:
        yield
    except DataInputError as failed:
        first = failed.diagnostics[0]
        if one_example is None or first.code != "E0801":
            raise
        help = f"{one_example}; for several of them, declare inputs with a batch axis, such as [B, N, N]"
        raise DataInputError([replace(first, help=help)]) from failed


def _check_sizes(wanted: Mapping[str, TensorType], options: DataOptions) -> None:
    """Raises `DataInputError` E0871 for a size that no input has."""
    known = sorted({symbol for type_ in wanted.values() for size in type_.shape for symbol in size.symbols})
    for name in options.sizes:
        if name not in known:
            help = suggest(name, known) or (
                f"they have {', '.join(known)}" if known else "all sizes are fixed"
            )
            raise DataInputError.make("E0871", f"the inputs have no free size {shown(name)}", help=help)


def _refuse_empty_classes(columns: Sequence[str], table: Table) -> None:
    """Raises `DataInputError` E0808 for a column of classes with an empty cell, which would be a class."""
    for column in columns:
        empty = [n for n, name in enumerate(table.classes.get(column, ())) if not name.strip()]
        if empty:
            values = np.asarray(table.take([column], np.arange(len(table)))[column])
            row = int(np.flatnonzero(np.isin(values, empty))[0])
            help = "fill the cell, or leave the row out"
            raise DataInputError.make("E0808", f"the class at {table.place(column, row)} is empty", help=help)


# -- masks and lengths -----------------------------------------------------------------------------


def fillers_for(inputs: Mapping[str, InputSpec], chosen: Collection[str]) -> dict[str, Filler]:
    """The inputs beside the `chosen` ones that follow from the lengths of a sequence."""
    found = {}
    for name, want in inputs.items():
        kind = filler_kind(name, want.type)
        if name in chosen or kind is None:
            continue
        sequence = _sequence_of(kind[0], kind[1], want, inputs)
        if sequence is not None:
            found[name] = Filler(kind[0], sequence, want.type)
    return found


def _sequence_of(kind: str, stem: str, want: InputSpec, inputs: Mapping[str, InputSpec]) -> str | None:
    """The sequence that a mask or a length is of: the one it names, else the first that it can be of."""
    others = [o for o in inputs.values() if len(o.item) >= 1 and filler_kind(o.name, o.type) is None]
    if stem:
        return stem if any(other.name == stem for other in others) else None
    if kind != LENGTH:
        others = [o for o in others if o.item[0] == want.item[-1]]
    return others[0].name if others else None


# -- assignment where names differ -----------------------------------------------------------------


def _assign(
    missing: Sequence[str],
    inputs: Mapping[str, InputSpec],
    chosen: Mapping[str, tuple[str, ...]],
    table: Table,
    options: DataOptions,
) -> dict[str, tuple[str, ...]]:
    """Columns for the inputs that have none by name. Raises `DataInputError` E0830."""
    used = {column for columns in chosen.values() for column in columns}
    if not any(map(options.is_label, missing)):
        used |= options.label_columns  # labels that are not wanted here
    free = {n: i for n, i in table.columns.items() if n not in used and i.role != "extra"}
    wants = [inputs[name] for name in missing]
    complete: list[dict[str, tuple[str, ...]]] = []
    for resizing in (False, True):
        complete = list(_matchings(wants, free, options, resizing)) if len(free) <= MAX_TRIED else []
        found = _only(complete, free, options) or _with_vector(wants, free, options)
        if found is not None:
            return found
        if complete:
            break
    raise _too_few(wants, free, table) or _no_match(missing, inputs, table, complete)


def _matchings(
    wants: Sequence[InputSpec], free: Mapping[str, ColumnInfo], options: DataOptions, resizing: bool
) -> Iterator[dict[str, tuple[str, ...]]]:
    """Every way to assign a different fitting column to each input."""
    if not wants:
        yield {}
        return
    first, *others = wants
    for name, info in free.items():
        if could_fit(info, first, options, options.sizes, resizing=resizing):
            rest = {n: i for n, i in free.items() if n != name}
            for found in _matchings(others, rest, options, resizing):
                yield {first.name: (name,), **found}


def _only(
    complete: Sequence[dict[str, tuple[str, ...]]], free: Mapping[str, ColumnInfo], options: DataOptions
) -> dict[str, tuple[str, ...]] | None:
    """The one assignment, or the one in which labels go to labels."""
    if len(complete) == 1:
        return complete[0]
    agreeing = [m for m in complete if all(_agrees(n, free[c[0]], options) for n, c in m.items())]
    return agreeing[0] if len(agreeing) == 1 else None


def _agrees(name: str, info: ColumnInfo, options: DataOptions) -> bool:
    return not info.role or (info.role == "label") == options.is_label(name)


def _with_vector(
    wants: Sequence[InputSpec], free: Mapping[str, ColumnInfo], options: DataOptions
) -> dict[str, tuple[str, ...]] | None:
    """One vector made from all numbers left over, and the other inputs from one column each."""
    numbers = {name: info for name, info in free.items() if info.shape == ()}
    vectors = [want for want in wants if want.item]
    others = [want for want in wants if not want.item]
    if len(vectors) != 1 or len(others) > 1 or len(numbers) < 2:
        return None
    labels = [None] if not others else _label_columns(numbers, others[0], options)
    found = []
    for label in labels:
        members = tuple(name for name in numbers if name != label)
        if could_fit(joined_info(members, numbers), vectors[0], options, options.sizes, resizing=False):
            found.append({vectors[0].name: members} | ({others[0].name: (label,)} if label else {}))
    return found[0] if len(found) == 1 else None


def _label_columns(
    numbers: Mapping[str, ColumnInfo], label: InputSpec, options: DataOptions
) -> list[str | None]:
    """The columns that could be the label: those known to be labels, else the first and the last."""
    known = [name for name, info in numbers.items() if info.role == "label"]
    names = known or list(dict.fromkeys((next(iter(numbers)), next(reversed(list(numbers))))))
    return [name for name in names if could_fit(numbers[name], label, options, options.sizes, resizing=False)]


def _too_few(
    wants: Sequence[InputSpec], free: Mapping[str, ColumnInfo], table: Table
) -> DataInputError | None:
    """The error of a vector that takes more or fewer columns of numbers than are left over."""
    numbers = [name for name, info in free.items() if info.shape == ()]
    vectors = [want for want in wants if len(want.item) == 1 and want.item[0].is_fixed]
    others = [want for want in wants if not want.item]
    if len(vectors) != 1 or len(vectors) + len(others) != len(wants) or len(numbers) < 2:
        return None
    want, needed = vectors[0], vectors[0].item[0].value + len(others)
    if len(numbers) == needed:
        return None
    used = [name for name in table.columns if name not in free]
    beside = f" beside {_listed_columns(used)}" if used else ""
    labels = f" and {', '.join(f'{shown(other.name)} 1' for other in others)}" if others else ""
    message = (
        f"{shown(want.name)} {want.type} takes {want.item[0]} columns of numbers{labels}, "
        f"but the data has {len(numbers)}{beside}: {_listed_columns(numbers)}"
    )
    width = len(numbers) - len(others)
    help = f"to use all of them, declare `{want.name}: {want.type.dtype}[{want.type.shape[0]}, {width}]`"
    if len(numbers) > needed:
        last = f"`{want.name}0` to `{want.name}{want.item[0].value - 1}`"
        help = f"name the columns to use {last}, or remove the others; {help}"
    elif width < 1:
        help = "add the columns that are missing"
    return DataInputError.make("E0830", message, help=help)


def _listed_columns(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(map(shown, names[:8])) + more


def _no_match(
    missing: Sequence[str], inputs: Mapping[str, InputSpec], table: Table, complete: Sequence[object]
) -> DataInputError:
    held = ", ".join(f"{shown(name)} {info}" for name, info in list(table.columns.items())[:8])
    more = f" and {len(table.columns) - 8} more" if len(table.columns) > 8 else ""
    wanted = ", ".join(f"{shown(name)} {inputs[name].type}" for name in missing)
    why = "more than one assignment makes sense" if complete else "nothing fits"
    near = next((s for name in missing if (s := suggest(name, table.columns))), None)
    return DataInputError.make(
        "E0830",
        f"the model wants {wanted}, but the data has {held}{more}: {why}",
        help=near or _match_help(missing, inputs, table),
    )


def _match_help(missing: Sequence[str], inputs: Mapping[str, InputSpec], table: Table) -> str:
    if all(name in inputs for name in table.columns):
        return f"add {' and '.join(map(shown, missing))} to the data, a value for each row"
    fitting = [
        f"{name}=FILE:{column}"
        for name in missing
        for column, info in table.columns.items()
        if info.shape is not None and len(info.shape) == len(inputs[name].item)
    ]
    return f"name the columns as the inputs{f', or say which is which: {fitting[0]}' if fitting else ''}"


def _given_note(name: str, columns: Sequence[str], options: DataOptions) -> str:
    note = f"{shown(name)} is read from {_columns_text(columns)}"
    if trained := options.columns.get(name):
        note += f"; in training it was read from {_columns_text(trained)}, and the same order is assumed"
    return note


def _columns_text(columns: Sequence[str]) -> str:
    return shown(columns[0]) if len(columns) == 1 else f"{shown(columns[0])} to {shown(columns[-1])}"
