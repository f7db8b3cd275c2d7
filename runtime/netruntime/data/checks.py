"""Checks of the values of data, before training where possible; errors name the file and the row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from netruntime.data.dataset import Dataset, StreamDataset
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.fitting import check_finite
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import LabelSpec

_CHUNK = 4096


def check_ready(dataset: Dataset) -> None:
    """Read and check every row of the inputs that are cheap to read. Raises as `Dataset.rows`."""
    for _ in _pieces(dataset, dataset.ready):
        pass


def compare_classes(
    train: Dataset | StreamDataset, valid: Dataset, *, strict: bool = False
) -> tuple[str, ...]:
    """Notices about the classes of two data sets: those that only one of them has.

    Only labels with one class per row that are cheap to read in both are compared. With `strict`, a class
    that is missing in validation raises `DataInputError` E0832.
    """
    notices = []
    for name in train.labels:
        is_ready = name in train.ready and name in valid.ready
        if train.columns[name].shape != () or not is_ready or not isinstance(train, Dataset):
            continue
        seen, held = (set(np.unique(label_values(d, name)).tolist()) for d in (train, valid))
        seen, held = (labels - {train.label_spec(name).ignore} for labels in (seen, held))
        names = train.classes.get(name, ())
        if seen - held:
            message = f"{shown(name)}: no row of the validation data is of {_class_texts(seen - held, names)}"
            if strict:
                help = "hold out rows of every class, or do without --strict"
                raise DataInputError.make("E0832", message, help=help)
            notices.append(message)
        if held - seen:
            notices.append(
                f"{shown(name)}: no row of the training data is of {_class_texts(held - seen, names)}"
            )
    return tuple(notices)


def unused_classes(data: Dataset | StreamDataset, config: Mapping[str, object]) -> tuple[str, ...]:
    """Notes on labels with names for fewer classes than the model has scores, with the option to set."""
    notes = []
    for name, names in data.classes.items():
        spec = data.label_spec(name)
        if name in data.labels and spec.classes is not None and len(names) < spec.classes:
            scores = f"{spec.classes} ({spec.scores})" if spec.scores else f"{spec.classes}"
            entries = [entry for entry, value in config.items() if value == spec.classes]
            way = f"; set it with --set {entries[0]}={len(names)}" if len(entries) == 1 else ""
            notes.append(
                f"{shown(name)} has {len(names)} classes, {', '.join(map(shown, names[:5]))}"
                f"{', ..' if len(names) > 5 else ''}, but the model has scores for {scores}{way}"
            )
    return tuple(notes)


def label_values(dataset: Dataset, name: str) -> Array:
    """A label input of all rows, read in pieces: integers `[N]`."""
    return np.concatenate([values[name] for _, values in _pieces(dataset, [name])])


def refuse_nonfinite(values: Array, wanted: InputSpec, indices: Array, dataset: Dataset) -> None:
    """Raises `DataInputError` E0805 with the first row that holds NaN or infinity."""
    if (finite := np.isfinite(values)).all():
        return
    flat = finite.reshape(len(values), -1)
    row = int(np.flatnonzero(~flat.all(axis=1))[0])
    place = dataset.place(wanted.name, int(indices[row]), int(np.argmin(flat[row])))
    check_finite(values[row], wanted, place)


def refuse_bad_labels(labels: Array, name: str, indices: Array, spec: LabelSpec, dataset: Dataset) -> None:
    """Raises `DataInputError` E0831 with the first label that is neither a class nor ignored."""
    if not spec.scores and spec.classes is None:
        return
    flat = labels.reshape(len(labels), -1)
    wrong = (flat < 0) & spec.is_class(flat)
    if spec.classes is not None:
        wrong |= (flat >= spec.classes) & spec.is_class(flat)
    if not wrong.any():
        return
    row, column = (int(n) for n in np.argwhere(wrong)[0])
    label, count = int(flat[row, column]), spec.classes
    source = f" ({spec.scores})" if spec.scores else ""
    known = f"labels are 0 or more{source}"
    if count is not None:
        known = f"{count} classes{source} have the labels 0 to {count - 1}"
    at = f", element {column}" if flat.shape[1] > 1 else ""
    place = dataset.place(name, int(indices[row])) + at
    raise DataInputError.make(
        "E0831",
        f"{place} has the label {label}, but {known}, and {_ignored(spec)}",
        spec.span,
        f"the {count} classes are counted here" if count is not None else "",
        help=_label_help(label, spec, dataset.vocabulary or ()),
    )


def _ignored(spec: LabelSpec) -> str:
    """Which labels are ignored, for messages."""
    if spec.ignore is not None:
        return f"only {spec.ignore} is ignored"
    if not spec.ignored:
        return "none is ignored"
    values = " and ".join(map(str, spec.ignored))
    return f"the losses and metrics do not all ignore the same: some ignore {values}"


def refuse_bad_targets(values: Array, name: str, indices: Array, spec: LabelSpec, dataset: Dataset) -> None:
    """Raises `DataInputError` E0831 with the first target that the loss does not take."""
    if not spec.values:
        return
    flat = values.reshape(len(values), -1)
    wrong = np.abs(flat) != 1 if spec.values == "-1 or 1" else (flat < 0) | (flat > 1)
    if not wrong.any():
        return
    row, column = (int(n) for n in np.argwhere(wrong)[0])
    at = f", element {column}" if flat.shape[1] > 1 else ""
    message = (
        f"{dataset.place(name, int(indices[row]))}{at} has the target {flat[row, column]:g}, "
        f"but a target of `{spec.loss}` is {spec.values}"
    )
    raise DataInputError.make("E0831", message, help=_target_help(spec, flat))


def _target_help(spec: LabelSpec, flat: Array) -> str:
    if spec.values == "-1 or 1":
        return "make -1 of 0: `2 * target - 1`"
    if float(flat.max()) <= 255 and float(flat.min()) >= 0:
        return "divide the values by their maximum, or use a regression loss, such as `mse`"
    return "use a regression loss, such as `mse`"


def refuse_padded_labels(labels: Sequence[Array], width: int, place: str, name: str, spec: LabelSpec) -> None:
    """Raises `DataInputError` E0843 if rows of labels are shorter than `width`, and any filler counts."""
    short = next((len(row) for row in labels if len(row) < width), None)
    if short is None:
        return
    what = "values" if spec.needs_mask else "labels"
    rows = f"{place} and its batch have rows of {short} and of {width} {what} in {shown(name)}, but "
    if spec.needs_mask:
        raise DataInputError.make(
            "E0843",
            f"{rows}a loss or a metric would count the padding of the shorter ones",
            help="add `input keep: bool[B, T]` to the section, where T is the padded axis, and average what "
            "it keeps: `sum(where(keep, each, 0.0)) / sum(cast(keep, f32))`; or use rows of one length",
        )
    raise DataInputError.make(
        "E0843",
        f"{rows}the losses and metrics ignore no value that could fill the shorter ones",
        help="write `ignore=N` in each of them, N the id of padding (or -1 for an input that is only a "
        "label), or use rows of one length",
    )


def _label_help(label: int, spec: LabelSpec, characters: Sequence[str]) -> str:
    if spec.classes is not None and spec.classes < len(characters):
        count = len(characters)
        return (
            f"give the model {count} classes, one for each character of the text "
            f"(`--set NAME={count}` if a `config` entry NAME holds the number)"
        )
    if label in spec.ignored and spec.ignore is None:
        return f"write `ignore={label}` in every loss and metric of the label, or remove the label"
    if label < 0:
        return f"remove the label, or write `ignore={label}` in the loss if it marks what does not count"
    if label == spec.classes:
        return "count labels from 0, or give the model more classes"
    return (
        f"give the model more classes, or write `ignore={label}` in the loss if it marks what does not count"
    )


def _class_texts(labels: Collection[int], names: tuple[str, ...]) -> str:
    texts = [shown(names[n]) if 0 <= n < len(names) else str(n) for n in sorted(labels)]
    more = f" and {len(texts) - 12} more" if len(texts) > 12 else ""
    return f"class{'es' if len(texts) > 1 else ''} {', '.join(texts[:12])}{more}"


def _pieces(dataset: Dataset, names: Collection[str]) -> Iterator[tuple[Array, dict[str, Array]]]:
    count = _CHUNK if dataset.one_example is None else len(dataset)
    for start in range(0, len(dataset) if names else 0, count):
        indices = np.arange(start, min(start + count, len(dataset)))
        yield indices, dataset.rows(indices, names)
