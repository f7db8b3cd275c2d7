"""`netrun eval`: evaluates trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.data_options import data_options, take_reading_options
from netruntime.cli.common.options import (
    device_option,
    file_argument,
    json_option,
    set_option,
    training_lines,
)


@click.command(name="eval")
@file_argument
@click.option(
    "--data", "-d", multiple=True, required=True, metavar="SPEC", help="Data, as for `netrun train`."
)
@click.option(
    "--holdout", type=float, metavar="SHARE", help="Evaluate only the rows that `train --holdout` held out."
)
@click.option(
    "--weights",
    "-w",
    metavar="PATH",
    help="Trained weights.  [default: the .safetensors file next to the .net file]",
)
@click.option(
    "--names", metavar="MAP", help="The `weights` map of the .net file that translates their names."
)
@set_option
@click.option(
    "--train",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    callback=training_lines,
    help="Override a line of the `train` section.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    metavar="N",
    help="Rows per batch.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="The seed of the training run.",
)
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
