"""`netrun profile`: where the time of a run, or of a training step, goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.data_options import data_options, take_reading_options
from netruntime.cli.common.grouping import ENGINE, READING, ROWS, grouped
from netruntime.cli.common.options import (
    device_option,
    file_argument,
    json_option,
    model_option,
    set_option,
    weights_options,
)

_GROUPS = {
    "What runs": ("inputs", "weights", "names", "settings", "model_name", "seed"),
    "Training": ("train", "data", "batch_size"),
    "How data is read": (*READING, *ROWS),
    "The engine": ENGINE,
    "Output": ("repeats", "by", "order", "every", "trace", "kind", "output", "as_json"),
}


@grouped(_GROUPS)
@click.command()
@file_argument
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="NAME=SPEC",
    help="Data for an input, as for `netrun run`.  [default: random]",
)
@weights_options("As for `netrun run`.")
@set_option
@model_option
@device_option
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of random weights, inputs and operators.",
)
@click.option("--train", is_flag=True, help="Measure training steps on --data instead of runs.")
@click.option("--data", "-d", multiple=True, metavar="SPEC", help="Training data, as for `netrun train`.")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Rows per batch of --train.")
@click.option(
    "--repeats",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="How many runs to measure; the shortest time counts.  [default: 20, or 5 with --train]",
)
@click.option(
    "--by",
    type=click.Choice(["line", "label", "operator"]),
    default="label",
    show_default=True,
    help="What each row of the table is.",
)
@click.option(
    "--sort",
    "order",
    type=click.Choice(["time", "source"]),
    default="time",
    show_default=True,
    help="The order of the rows.",
)
@click.option("--all", "every", is_flag=True, help="Also show the rows below 0.1% of the time.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    help="Also write the fastest run for chrome://tracing or ui.perfetto.dev.",
)
@click.option(
    "--graph",
    "kind",
    type=click.Choice(["svg", "html"]),
    help="Draw the model, coloured by time, instead of printing the table.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The file of the drawing.")
@data_options
@json_option
def profile(file: Path, as_json: bool, **options: Any) -> None:
    """Show where the time of a run goes: by line of the file, label or operator.

    For each row: the time, its share, 10^9 operations per second (a multiply-add counts as two), and the
    bytes that are read and written. Fused operators are one row.

    \b
    Examples:
      netrun profile lenet5.net
      netrun profile lenet5.net --size B=8 --by line --sort source
      netrun profile lenet5.net --engine numpy --by operator
      netrun profile lenet5.net --train --data digits.npz --resize stretch
      netrun profile resnet18.net --size H=224 --size W=224 --trace trace.json
      netrun profile lenet5.net --graph html -o times.html
    """
    from netruntime.cli.profile.command import ProfileOptions, profile_model

    reading = take_reading_options(options)
    profile_model(ProfileOptions(file=file, as_json=as_json, reading=reading, **options))
