"""The steps of `netrun predict`: computes the outputs of a model for every row of a data set."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.graph import build
from netruntime.cli.common.failures import OK, usage_error
from netruntime.cli.common.fitting_settings import settings_that_fit
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
from netruntime.cli.run.results import nested, plain, top_classes, with_classes
from netruntime.cli.run.saving import check_target, save_outputs
from netruntime.data import DataOptions, Dataset, batches, open_data, parse_augment
from netruntime.data.beside import CLASSES, VOCABULARY, beside, classes_beside, vocabulary_beside
from netruntime.data.fitted import FittedDataset
from netruntime.engine.backends import open_device
from netruntime.engine.network import Network
from netruntime.engine.weights import open_weights
from netruntime.errors import DataInputError
from netruntime.files.arrays import Array

WHOLE = (".npz", ".npy")
"""Suffixes of files that hold each output as one array, `[N, ..]`."""
PREDICTION_SUFFIXES = (*WHOLE, ".csv", ".jsonl")
Rows = Sequence[Mapping[str, Array]]


@dataclass(frozen=True)
class PredictOptions:
    """The options of `netrun predict`."""

    file: Path
    as_json: bool
    data: tuple[str, ...]
    out: Path
    top: int | None
    weights: str | None
    names: str | None
    model_name: str | None
    settings: Mapping[str, str]
    batch_size: int
    seed: int
    augment: str | None
    device: str
    reading: Mapping[str, Any]

    @property
    def reads(self) -> list[object]:
        """What names the files that the command reads."""
        weights = weights_for(self.file, self.weights)
        near = [] if weights is None else beside(weights, VOCABULARY, CLASSES)
        return [self.file, *self.data, weights, self.reading.get("tokenizer"), *near]


def predict_rows(options: PredictOptions) -> int:
    """Predict, save and report. Returns the exit code; raises `NetError`."""
    check_target(options.out, options.reads, PREDICTION_SUFFIXES, "predictions")
    network, weights = _open(options)
    reading = DataOptions(**options.reading)
    if reading.tokenizer is None:
        reading = replace(reading, vocabulary=vocabulary_beside(weights))
    data = open_data(list(options.data), network.inputs, reading)
    assert isinstance(data, Dataset)  # files always are
    if not options.as_json:
        for text in (*_weights_note(weights), *data.notes):
            note(text)
    labels = classes_beside(weights) or next(iter(data.classes.values()), None)
    files = _files(data)
    with Progress(len(data), hidden=options.as_json, unit="rows") as progress:
        outputs = []
        for batch in _predicted(options, network, data):
            outputs.append(batch)
            progress.advance(len(next(iter(batch.values()))))
    if options.out.suffix.lower() in WHOLE:
        save_outputs(
            options.out, {name: _joined(name, [batch[name] for batch in outputs]) for name in outputs[0]}
        )
    else:
        _save_rows(options, outputs, labels, files)
    rows = len(data)
    if options.as_json:
        print_json({"ok": True, "rows": rows, "out": str(options.out)})
    else:
        note(f"saved {options.out} for {plural(rows, 'row')}")
    return OK


def _open(options: PredictOptions) -> tuple[Network, str | None]:
    settings = settings_as_trained(options.file, options.weights, options.settings, options.as_json)
    checked = open_checked(options.file, settings)
    model = pick_model(checked, options.model_name)
    check_size_names(model, options.reading.get("sizes", {}))
    weights = weights_for(options.file, options.weights)
    device = open_device(options.device)
    with settings_that_fit(options.file, options.settings, weights, options.model_name):
        store = open_weights(build(model), weights, checked.weights, options.names, options.seed)
    return Network(checked, model, store, device, options.seed), weights


def _weights_note(weights: str | None) -> list[str]:
    if weights is None:
        return ["the weights are random; pass trained ones with --weights FILE"]
    return [f"the weights are read from {weights}"]


def _predicted(options: PredictOptions, network: Network, data: Dataset) -> Iterator[Mapping[str, Array]]:
    """The outputs of each batch, on the host."""
    augment = parse_augment(options.augment).for_evaluation() if options.augment else None
    stream = batches(data, options.batch_size, shuffle=False, augment=augment, prefetch=2)
    with closing(stream):  # type: ignore[type-var]
        for batch in stream:
            results = network.run({name: batch[name] for name in network.inputs})
            yield {name: plain(network.device.numpy(array)) for name, array in results.items()}


# -- saving --------------------------------------------------------------------------------------


def _joined(name: str, parts: Sequence[Array]) -> Array:
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        sizes = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
        message = f"the rows of `{name}` have different sizes: {sizes}"
        raise DataInputError.make("E0852", message, help="save them as .jsonl, row by row")
    return np.concatenate(parts)


def _files(data: Dataset) -> Sequence[str]:
    """The file of each row, where each row is a file."""
    files = [data.file(row) for row in range(len(data))] if isinstance(data, FittedDataset) else []
    return files if any(files) else ()


def _save_rows(
    options: PredictOptions, outputs: Rows, labels: Sequence[str] | None, files: Sequence[str]
) -> None:
    """Write a line for each row: JSON with the outputs, or CSV with the largest classes."""
    if options.out.suffix.lower() == ".jsonl":
        lines = [json.dumps(row, allow_nan=False) for row in _row_objects(options, outputs, labels, files)]
        text = "".join(f"{line}\n" for line in lines)
    else:
        text = _table(options, outputs, labels, files)
    write_file(options.out, text)


def _row_objects(
    options: PredictOptions, outputs: Rows, labels: Sequence[str] | None, files: Sequence[str]
) -> Iterator[dict[str, Any]]:
    number = 0
    for batch in outputs:
        tops = _tops(options.top, batch, labels)
        for n in range(len(next(iter(batch.values())))):
            row: dict[str, Any] = {"row": number, **({"file": files[number]} if files else {})}
            row["outputs"] = {k: nested(v[n]) for k, v in batch.items()}
            if tops:
                row["top"] = [{"class": c, "label": w, "chance": p} for c, w, p in tops[n]]
            yield row
            number += 1


def _table(options: PredictOptions, outputs: Rows, labels: Sequence[str] | None, files: Sequence[str]) -> str:
    """CSV: the row number, its file if it has one, then the largest classes, each with its probability."""
    widest = max((batch[with_classes(batch)[0]].shape[-1] for batch in outputs), default=1)
    count = min(options.top or 1, widest)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = [f"{word}_{n + 1}" if count > 1 else word for n in range(count) for word in ("class", "chance")]
    writer.writerow(["row", *(["file"] if files else []), *head])
    number = 0
    for batch in outputs:
        for best in _tops(count, batch, labels):
            cells = [cell for index, label, chance in best for cell in (label or index, f"{chance:.6g}")]
            writer.writerow([number, *files[number : number + 1], *cells])
            number += 1
    return stream.getvalue()


def _tops(
    count: int | None, batch: Mapping[str, Array], labels: Sequence[str] | None
) -> list[list[tuple[int, str, float]]]:
    """The largest classes of each row of a batch: index, name, probability."""
    if count is None:
        return []
    name = with_classes(batch)[0]
    if batch[name].ndim != 2:
        message = f"`{name}` has several positions with classes in each row: {list(batch[name].shape)}"
        raise usage_error("E0923", message, "save the outputs as .jsonl or .npz, without --top")
    top = top_classes(name, batch[name], min(count, batch[name].shape[-1]), labels)
    return [[(c.index, c.label, c.probability) for c in best] for _, best in top.positions]
