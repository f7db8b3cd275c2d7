"""The steps of `netrun eval`: the loss and the metrics of trained weights on data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netruntime.cli.common.failures import OK
from netruntime.cli.common.figures import print_figures
from netruntime.cli.common.output import note, print_json
from netruntime.cli.common.sources import open_source, weights_for
from netruntime.data import DataOptions
from netruntime.train.api import evaluate
from netruntime.train.records.jsonl import plain


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
    say = (lambda text: None) if request.as_json else note
    weights = weights_for(request.file, request.weights)
    if weights is None:
        say("the weights are random; --weights FILE gives trained ones")
    measured = evaluate(
        request.file,
        list(request.data),
        weights,
        holdout=request.holdout or 0.0,
        names=request.names,
        device=request.device,
        train=request.overrides,
        config=request.settings,
        options=DataOptions(**request.reading),
        augment=request.augment,
        batch_size=request.batch_size,
        seed=request.seed,
        note=say,
    )
    if request.as_json:
        print_json({"ok": True, "rows": measured.rows, "figures": plain(measured.figures)})
    else:
        print_figures(measured.figures, measured.classes, measured.rows)
    return OK
