"""`netrun eval`: evaluates trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.data_options import data_options, take_reading_options
from netruntime.cli.common.grouping import ENGINE, READING, ROWS, grouped
from netruntime.cli.common.options import (
    device_option,
    evaluated_batch_option,
    file_argument,
    json_option,
    seed_option,
    set_option,
    trained_weights_options,
    training_lines,
)

_GROUPS = {
    "Data": ("data", "holdout", "seed", "augment", "batch_size"),
    "How data is read": (*READING, *ROWS),
    "The model": ("weights", "names", "settings", "overrides"),
    "The engine": ENGINE,
    "Output": ("as_json",),
}


@grouped(_GROUPS)
@click.command(name="eval")
@file_argument
@click.option(
    "--data", "-d", multiple=True, required=True, metavar="SPEC", help="Data, as for `netrun train`."
)
@click.option(
    "--holdout", type=float, metavar="SHARE", help="Evaluate only the rows that `train --holdout` held out."
)
@trained_weights_options
@set_option
@click.option(
    "--train",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    callback=training_lines,
    help="Override a line of the `train` section.",
)
@evaluated_batch_option
@seed_option("The seed of the training run.")
@click.option("--augment", metavar="STEPS", help="As in training; only `normalise` applies here.")
@device_option
@data_options
@json_option
def evaluate(file: Path, as_json: bool, **options: Any) -> int:
    """Evaluate trained weights on data: the loss and metrics of the `train` section.

    \b
    Examples:
      netrun eval lenet5.net --data digits.npz --holdout 0.2 --resize stretch
      netrun eval lenet5.net --data test.npz --weights runs/x/best.safetensors --json
    """
    from netruntime.cli.eval.command import EvalOptions, evaluate_model

    reading = take_reading_options(options)
    return evaluate_model(EvalOptions(file=file, as_json=as_json, reading=reading, **options))
