"""Predictions from Python: `predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from netdsl.diagnostics import suggest
from netdsl.immutable import immutable
from netdsl.targets import label_names
from netruntime.arguments import check_callables, check_count, check_names
from netruntime.data import DataOptions, Dataset, DataSpec, open_data, parse_augment
from netruntime.data.beside import as_trained, classes_beside, normalised_as_trained, trained_notes
from netruntime.engine.backends import DeviceChoice
from netruntime.engine.loading import load, opened_run
from netruntime.engine.network import Network
from netruntime.engine.weights import WeightSource
from netruntime.errors import ArgumentError, shown
from netruntime.files.arrays import Array
from netruntime.prediction.rows import Row, predicted_rows
from netruntime.readers.options import check_options
from netruntime.readers.trained import METADATA_KEY
from netruntime.weight_files.weight_file import WeightArrays


@immutable
class Predicted:
    """The result of `predict`.

    Args:
        rows: The outputs of each row by name. Axes that follow the length of a sequence have the size that
            the row has by itself.
        classes: The names of the classes in training, if they are known.
        notes: What was done to make the data fit.
    """

    rows: Sequence[Row]
    classes: Sequence[str]
    notes: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, output: str) -> Array | list[Array]:
        """One output of all rows: an array `[N, ..]`, or a list where the rows have different sizes.

        Raises `NetError` E0870 for an output that the model does not have.
        """
        outputs = list(self.rows[0]) if self.rows else []
        if output not in outputs:
            message = f"the predictions have no output {shown(output)}"
            help = suggest(str(output), outputs) or f"there are {', '.join(map(shown, outputs))}"
            raise ArgumentError.make("E0870", message, help=help)
        values = [row[output] for row in self.rows]
        return np.stack(values) if len({value.shape for value in values}) == 1 else values


def predict(
    source: str | PathLike[str] | Network,
    data: DataSpec,
    weights: WeightSource | None = None,
    *,
    model: str | None = None,
    names: str | None = None,
    device: str | DeviceChoice = "cpu",
    config: Mapping[str, Any] | None = None,
    options: DataOptions | None = None,
    augment: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
) -> Predicted:
    """The outputs of a model for every row of a data set.

        logits = nr.predict("iris.net", "new.csv", "runs/iris/best.safetensors")["logits"]

    Columns are found by their names in training, and the rows read, scaled and numbered as they were then,
    as far as the weights carry it.

    Args:
        source: As for `load`, the folder of a run too; or a network, whose weights are then used.
        data: As for `fit`, without the labels.
        weights, model, names, device, seed: As for `load`.
        config: Values for entries of the file's `config`, as for `load`.
        options: How the data is read; what it leaves open is as in training.
        augment: The augmentation in training; only `normalise` applies here.
        batch_size: Rows per batch.
        note: Called with each note for the user.

    Raises:
        NetError, DataInputError, WeightsError, DeviceError: as `load` and `fit`.
    """
    check_names(model=model, names=names, augment=augment)
    check_options(options)
    check_callables(note=note)
    batch_size = check_count(batch_size, "batch_size", 1)
    if isinstance(source, Network):
        _refuse_for_network(weights=weights, model=model, names=names, config=config or None)
        network, origin = source, _origin(source)
    else:
        source, weights, config = opened_run(source, weights, {} if config is None else config)
        network = load(source, weights, device, model=model, names=names, seed=seed, **config)
        origin = weights
    asked = options or DataOptions()
    if asked.label_names is None:
        asked = replace(asked, label_names=label_names(network.checked.phases))
    reading = as_trained(asked, origin)
    rows = open_data(data, network.inputs, reading)
    rows = rows if isinstance(rows, Dataset) else rows.gather()
    notes = (*rows.notes, *trained_notes(reading, origin, rows))
    for text in notes:
        note(text)
    augment = normalised_as_trained(augment, asked, origin)
    steps = parse_augment(augment).for_evaluation() if augment else None
    found = [row for batch in predicted_rows(network, rows, batch_size, steps) for row in batch]
    classes = classes_beside(origin) or next(iter(rows.classes.values()), ())
    return Predicted(found, classes, notes)


def _refuse_for_network(**arguments: object) -> None:
    """Raise `NetError` E0870 for arguments that only a file is loaded with."""
    set_ = [name for name, value in arguments.items() if value is not None]
    if set_:
        message = f"`{set_[0]}` is for a file: the network that is passed is loaded already"
        raise ArgumentError.make("E0870", message, help=f"netruntime.load(.., {set_[0]}=..) takes it")


def _origin(network: Network) -> object:
    """What says how the weights of a network were trained; None for random ones."""
    origin = network.weights_from
    if METADATA_KEY in origin.metadata:
        return WeightArrays(origin.text, {}, origin.metadata)
    return None if origin.seed is not None else origin.text
