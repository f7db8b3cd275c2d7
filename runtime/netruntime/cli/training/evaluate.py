"""The steps of `netrun eval`: the loss and the metrics of trained weights on data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netdsl.checker import check
from netruntime.backends import open_device
from netruntime.cli.failures import OK
from netruntime.cli.output import note, print_json
from netruntime.cli.sources import open_source, weights_for
from netruntime.cli.training.figures import print_figures
from netruntime.data import DataOptions, Dataset, parse_augment, split
from netruntime.loading import open_module
from netruntime.train.data import open_rows
from netruntime.train.evaluation import Evaluator
from netruntime.train.records.jsonl import plain
from netruntime.train.start import first_weights
from netruntime.train.trainer import no_section


@dataclass(frozen=True)
class Request:
    """The command line of `netrun eval`, read."""

    file: Path
    as_json: bool
    data: tuple[str, ...]
    holdout: float | None
    weights: str | None
    names: str | None
    settings: Mapping[str, str]
    overrides: Mapping[str, str]
    batch_size: int
    seed: int
    augment: str | None
    device: str
    reading: Mapping[str, Any]


def carry_out(request: Request) -> int:
    """Measure and tell. Returns the exit code; raises `NetError`."""
    open_source(request.file)
    checked = check(open_module(request.file), request.settings, train=request.overrides)
    if not checked.phases:
        raise no_section()
    device = open_device(request.device)
    weights = weights_for(request.file, request.weights)
    first = first_weights(checked.phases, request.seed, weights, checked.weights, request.names)
    data = open_rows(checked.phases, list(request.data), DataOptions(**request.reading))
    if request.holdout:
        _, data = split(data, request.holdout, request.seed)
    augment = parse_augment(request.augment).for_evaluation() if request.augment else None
    if not request.as_json:
        _tell(first.notes, data, weights)
    with device.active():
        arrays = {name: device.xp.asarray(array) for name, array in first.arrays.items()}
    measured = Evaluator(checked.phases, device, augment).figures(arrays, data, request.batch_size)
    if request.as_json:
        print_json({"ok": True, "rows": len(data), "figures": plain(measured)})
    else:
        print_figures(measured, data.classes, len(data))
    return OK


def _tell(notes: tuple[str, ...], data: Dataset, weights: str | None) -> None:
    if weights is None:
        note("the weights are random; --weights FILE gives trained ones")
    for text in (*notes, *data.notes):
        note(text)
