"""The steps of `netrun eval`: the loss and the metrics of trained weights on data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netdsl.immutable import immutable
from netruntime.cli.common.devices import choice_of
from netruntime.cli.common.failures import OK
from netruntime.cli.common.figures import print_figures
from netruntime.cli.common.fitting_settings import settings_that_fit
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import note, print_json
from netruntime.cli.common.progress import Progress
from netruntime.cli.common.sources import open_source, settings_as_trained, weights_for
from netruntime.data import DataOptions
from netruntime.train.api import evaluate
from netruntime.train.logs.jsonl import plain


@immutable
class EvalOptions:
    """The options of `netrun eval`."""

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
    device: DeviceFlags
    reading: Mapping[str, Any]


def evaluate_model(options: EvalOptions) -> int:
    """Evaluate and report. Returns the exit code; raises `NetError`."""
    open_source(options.file)
    say = (lambda text: None) if options.as_json else note
    weights = weights_for(options.file, options.weights)
    if weights is None:
        say("the weights are random; pass trained ones with --weights FILE")
    config = settings_as_trained(options.file, options.weights, options.settings, options.as_json)
    with (
        settings_that_fit(options.file, config, weights, None),
        Progress(hidden=options.as_json, unit="rows") as progress,
    ):
        measured = evaluate(
            options.file,
            list(options.data),
            weights,
            holdout=options.holdout or 0.0,
            names=options.names,
            device=choice_of(options.device),
            train=options.overrides,
            config=config,
            options=DataOptions(**options.reading),
            augment=options.augment,
            batch_size=options.batch_size,
            seed=options.seed,
            note=say,
            advance=progress.advance,
        )
    if options.as_json:
        print_json({"ok": True, "rows": measured.rows, "figures": plain(measured.figures)})
    else:
        print_figures(measured.figures, measured.classes, measured.rows)
    return OK
