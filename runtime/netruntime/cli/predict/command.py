"""The steps of `netrun predict`: computes the outputs of a model for every row of a data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from netdsl.graph import expand
from netdsl.immutable import immutable
from netdsl.targets import label_names
from netruntime.cli.common.devices import open_quietly
from netruntime.cli.common.failures import OK, usage_error
from netruntime.cli.common.fitting_settings import settings_that_fit
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import note, plural, print_json
from netruntime.cli.common.progress import Progress
from netruntime.cli.common.sources import (
    check_size_names,
    open_checked,
    pick_model,
    settings_as_trained,
    weights_for,
)
from netruntime.cli.common.writing import write_file
from netruntime.cli.run.results import Class, nested, plain, top_classes, with_classes
from netruntime.cli.run.saving import check_target, save_outputs
from netruntime.cli.run.tables import class_table, holds_classes, number_table
from netruntime.data import DataOptions, Dataset, open_data, parse_augment
from netruntime.data.beside import (
    CLASSES,
    DATA,
    VOCABULARY,
    as_trained,
    beside,
    classes_beside,
    normalised_as_trained,
    trained_notes,
)
from netruntime.data.fitted import FittedDataset
from netruntime.engine.network import Network
from netruntime.engine.weights import open_weights
from netruntime.errors import shown
from netruntime.files.arrays import Array
from netruntime.prediction.rows import padded, predicted_rows, varying_axes

WHOLE = (".npz", ".npy")
"""Suffixes of files that hold each output as one array, `[N, ..]`."""
PREDICTION_SUFFIXES = (*WHOLE, ".csv", ".jsonl")
Rows = Sequence[Mapping[str, Array]]


@immutable
class PredictOptions:
    """The options of `netrun predict`."""

    file: Path
    as_json: bool
    data: tuple[str, ...]
    out: Path | None
    top: int | None
    weights: str | None
    names: str | None
    model_name: str | None
    settings: Mapping[str, str]
    batch_size: int
    seed: int
    augment: str | None
    device: DeviceFlags
    reading: Mapping[str, Any]

    @property
    def reads(self) -> list[object]:
        """What names the files that the command reads."""
        weights = weights_for(self.file, self.weights)
        near = [] if weights is None else beside(weights, VOCABULARY, CLASSES, DATA)
        return [self.file, *self.data, weights, self.reading.get("tokenizer"), *near]


@immutable
class Predictions:
    """The outputs of all rows, the names of the classes, and the file of each row where it is one."""

    rows: Rows
    labels: Sequence[str] | None
    files: Sequence[str]
    is_classified: bool


def predict_rows(options: PredictOptions) -> int:
    """Predict, save and report. Returns the exit code; raises `NetError`."""
    if options.out is not None:
        check_target(options.out, options.reads, PREDICTION_SUFFIXES, "predictions")
    network, weights = _open(options)
    asked = DataOptions(**options.reading)
    reading = as_trained(replace(asked, label_names=label_names(network.checked.phases)), weights)
    data = open_data(list(options.data), network.inputs, reading)
    assert isinstance(data, Dataset)  # files always are
    _check_sizes(options, network, data)
    if not options.as_json:
        for text in (*_weights_note(weights), *data.notes, *trained_notes(reading, weights, data)):
            note(text)
    labels = classes_beside(weights) or next(iter(data.classes.values()), None)
    files = _files(data)
    augment = normalised_as_trained(options.augment, asked, weights)
    steps = parse_augment(augment).for_evaluation() if augment else None
    rows: list[Mapping[str, Array]] = []
    with Progress(len(data), hidden=options.as_json, unit="rows") as progress:
        for batch in predicted_rows(network, data, options.batch_size, steps):
            rows += [{name: plain(array) for name, array in row.items()} for row in batch]
            progress.advance(len(batch))
    is_classified = bool(options.top) or holds_classes(network.checked.phases, rows[0])
    result = Predictions(rows, labels if is_classified else None, files, is_classified)
    if options.out is None:
        _print(options, result)
        return OK
    _save(options, options.out, result)
    if options.as_json:
        print_json({"ok": True, "rows": len(rows), "out": str(options.out)})
    else:
        note(f"wrote {options.out} for {plural(len(rows), 'row')}")
    return OK


def _check_sizes(options: PredictOptions, network: Network, data: Dataset) -> None:
    """Raise `CommandLineError` E0925 for a file that cannot hold rows of different sizes, before the run."""
    varying = [name for name, axes in varying_axes(network, data).items() if axes]
    lengths = data.lengths()
    is_single = options.out is not None and options.out.suffix.lower() == ".npy"
    if varying and is_single and (lengths is None or np.ptp(lengths)):
        message = f"the rows of `{varying[0]}` have different sizes, which {shown(options.out)} cannot hold"
        raise usage_error("E0925", message, "save them as .jsonl, or as .npz, with their lengths")


def _open(options: PredictOptions) -> tuple[Network, str | None]:
    settings = settings_as_trained(options.file, options.weights, options.settings, options.as_json)
    checked = open_checked(options.file, settings)
    model = pick_model(checked, options.model_name)
    check_size_names(model, options.reading.get("sizes", {}))
    weights = weights_for(options.file, options.weights)
    device = open_quietly(options.device)
    with settings_that_fit(options.file, options.settings, weights, options.model_name):
        store = open_weights(expand(model), weights, checked.weights, options.names, options.seed)
    return Network(checked, model, store, device, options.seed), weights


def _weights_note(weights: str | None) -> list[str]:
    if weights is None:
        return ["the weights are random; pass trained ones with --weights FILE"]
    return [f"the weights are read from {weights}"]


# -- saving --------------------------------------------------------------------------------------


def _files(data: Dataset) -> Sequence[str]:
    """The file of each row, where each row is a file."""
    files = [data.file(row) for row in range(len(data))] if isinstance(data, FittedDataset) else []
    return files if any(files) else ()


def _save(options: PredictOptions, out: Path, result: Predictions) -> None:
    kind, rows = out.suffix.lower(), result.rows
    if kind in WHOLE:
        save_outputs(out, {k: v for name in rows[0] for k, v in _stacked(name, rows).items()})
    elif kind == ".jsonl":
        write_file(out, _lines(options, result))
    else:
        write_file(out, _table(options, result))


def _print(options: PredictOptions, result: Predictions) -> None:
    """The predictions on standard output: a table, or lines of JSON where an output has several axes."""
    if options.as_json:
        print_json({"ok": True, "rows": len(result.rows), "predictions": list(_row_objects(options, result))})
    elif all(array.ndim < 2 for row in result.rows for array in row.values()):
        click.echo(_table(options, result), nl=False)
    else:
        click.echo(_lines(options, result), nl=False)


def _lines(options: PredictOptions, result: Predictions) -> str:
    return "".join(f"{json.dumps(row, allow_nan=False)}\n" for row in _row_objects(options, result))


def _stacked(name: str, rows: Rows) -> dict[str, Array]:
    """An output of all rows as one array; with the sizes of each, `NAME_length`, where they differ."""
    values = [row[name] for row in rows]
    shapes = np.array([value.shape for value in values], np.int64).reshape(len(rows), -1)
    differs = [axis for axis in range(shapes.shape[1]) if np.ptp(shapes[:, axis])]
    if not differs:
        return {name: np.stack(values)}
    lengths = shapes[:, differs[0]] if len(differs) == 1 else shapes[:, differs]
    return {name: padded(values), f"{name}_length": lengths}


def _row_objects(options: PredictOptions, result: Predictions) -> Iterator[dict[str, Any]]:
    files, rows = result.files, result.rows
    tops = _tops(options, result, options.top) if options.top else [()] * len(rows)
    for number, (outputs, top) in enumerate(zip(rows, tops, strict=True)):
        row: dict[str, Any] = {"row": number, **({"file": files[number]} if files else {})}
        row["outputs"] = {k: nested(v) for k, v in outputs.items()}
        if top:
            row["top"] = [_class_object(c) for c in top]
        yield row


def _class_object(entry: Class) -> dict[str, Any]:
    """A class for JSON, with its label where the classes have names."""
    named = {"label": entry.label} if entry.label else {}
    return {"class": entry.index, **named, "probability": entry.probability}


def _table(options: PredictOptions, result: Predictions) -> str:
    """CSV: the row, its file if it has one, and its largest classes with probabilities, or its numbers."""
    first: dict[str, Sequence[object]] = {"row": range(len(result.rows))}
    if result.files:
        first["file"] = result.files
    if not result.is_classified:
        return number_table(first, result.rows)
    return class_table(first, _tops(options, result, options.top or 1))


def _tops(options: PredictOptions, result: Predictions, count: int) -> list[tuple[Class, ...]]:
    """The largest classes of each row."""
    rows = result.rows
    name = next((n for n in with_classes(rows[0]) if rows[0][n].ndim == 1 and rows[0][n].size > 1), None)
    name = name or with_classes(rows[0])[0]
    if any(row[name].ndim != 1 for row in rows):
        shape = list(next(row[name].shape for row in rows if row[name].ndim != 1))
        message = f"`{name}` has several positions with classes in each row: {shape}"
        raise usage_error("E0923", message, "save the outputs as .jsonl or .npz, without --top")
    classes = rows[0][name].shape[0]
    if count > classes and not options.as_json:
        note(f"`{name}` has {classes} classes: --top {count} saves all of them")
    labels = result.labels if result.labels and len(result.labels) == classes else None  # as `run` does
    top = top_classes(name, np.stack([row[name] for row in rows]), min(count, classes), labels)
    return [best for _, best in top.positions]
