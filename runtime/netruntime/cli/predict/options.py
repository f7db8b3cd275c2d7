"""`netrun predict`: runs a model on every row of a data set."""

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
    model_option,
    seed_option,
    set_option,
    trained_weights_options,
)

_GROUPS = {
    "Data": ("data", "augment", "batch_size"),
    "How data is read": (*READING, *ROWS),
    "The model": ("weights", "names", "settings", "model_name", "seed"),
    "The engine": ENGINE,
    "Output": ("out", "top", "as_json"),
}


@grouped(_GROUPS)
@click.command()
@file_argument
@click.option(
    "--data", "-d", multiple=True, required=True, metavar="SPEC", help="Data, as for `netrun train`."
)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="A .npz, .npy, .csv or .jsonl file.  [default: a table on standard output]",
)
@click.option(
    "--top", type=click.IntRange(min=1), metavar="K", help="Save the K largest classes of each row."
)
@trained_weights_options
@model_option
@set_option
@evaluated_batch_option
@seed_option("Seed of random weights and operators.")
@click.option("--augment", metavar="STEPS", help="As in training; only `normalise` applies here.")
@device_option
@data_options
@json_option
def predict(file: Path, as_json: bool, **options: Any) -> int:
    """Run a model on every row of a data set, and print or save its outputs.

    \b
    .npz and .npy hold the outputs as arrays, with one row for each row of the data.
    .csv holds the largest class of each row and its probability, or the numbers of a model that is
    not trained on classes; .jsonl holds the outputs row by row. Both have the name of the file where
    each row is a file.

    \b
    Examples:
      netrun predict lenet5.net --data digits.npz --resize stretch --out answers.csv
      netrun predict lenet5.net --data photos/ --out answers.jsonl --top 3
      netrun predict lenet5.net --data "photos/*.jpg" --out answers.csv
      netrun predict vae.net --data digits.npz --out outputs.npz
    """
    from netruntime.cli.predict.command import PredictOptions, predict_rows

    reading = take_reading_options(options)
    if options["out"] == Path("-"):
        options["out"] = None
    return predict_rows(PredictOptions(file=file, as_json=as_json, reading=reading, **options))
