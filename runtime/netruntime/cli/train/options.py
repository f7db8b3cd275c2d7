"""`netrun train`: trains a model on data."""

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
    seed_option,
    set_option,
    training_lines,
    weights_options,
)

_COUNT = click.IntRange(min=1)
_GROUPS = {
    "Data": ("data", "valid", "holdout", "augment"),
    "How data is read": (*READING, *ROWS),
    "The run": (
        "epochs",
        "steps",
        "batch_size",
        "accumulate",
        "lr",
        "patience",
        "ema",
        "seed",
        "check_finite",
    ),
    "The engine": ENGINE,
    "The file": ("overrides", "settings", "weights", "names"),
    "Output": ("out", "no_save", "resume", "save_every", "keep", "tensorboard", "plain", "as_json"),
}


@grouped(_GROUPS)
@click.command()
@file_argument
@click.option(
    "--data", "-d", multiple=True, required=True, metavar="SPEC", help="Training data; see SPEC above."
)
@click.option("--valid", multiple=True, metavar="SPEC", help="Validation data.")
@click.option(
    "--holdout", type=float, metavar="SHARE", help="Hold out this fraction of the data for validation."
)
@click.option(
    "--epochs", type=_COUNT, metavar="N", help="Passes over the data.  [default: the file's, or 10]"
)
@click.option("--steps", type=_COUNT, metavar="N", help="Stop after N updates.")
@click.option("--batch-size", type=_COUNT, metavar="N", help="Rows per batch.  [default: the file's, or 32]")
@click.option(
    "--accumulate", type=_COUNT, metavar="N", help="Accumulate the gradients of N batches per update."
)
@click.option("--lr", metavar="X", help="The learning rate; short for --train optimizer.lr=X.")
@click.option(
    "--train",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    callback=training_lines,
    help='Override a line of the `train` section: --train "optimizer=sgd(0.1, momentum=0.9)", '
    "--train optimizer.lr=0.01, --train judge.clip=norm(1); may be repeated.",
)
@set_option
@click.option(
    "--ema",
    type=float,
    metavar="D",
    help="Keep an exponential moving average of the weights with this decay.",
)
@click.option(
    "--patience", type=click.IntRange(min=0), metavar="N", help="Stop after N epochs without improvement."
)
@click.option("--augment", metavar="STEPS", help="Augment training images: flip,crop=2,shift=1,normalise.")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="The folder of the run.  [default: runs/NAME]"
)
@click.option("--no-save", is_flag=True, help="Write nothing.")
@click.option("--resume", is_flag=True, help="Continue from the newest checkpoint in --out.")
@click.option("--save-every", type=_COUNT, metavar="N", help="Also save a checkpoint every N updates.")
@click.option(
    "--keep", type=_COUNT, default=2, show_default=True, metavar="N", help="How many checkpoints to keep."
)
@weights_options("Initial weights; missing ones are drawn at random.")
@seed_option("Seed of the initial weights, the data order and random operators.", default=None)
@device_option
@data_options
@click.option("--check-finite", is_flag=True, help="Stop at the line that produces NaN or infinity.")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard files.")
@click.option("--plain", is_flag=True, help="Print lines instead of the live display.")
@json_option
def train(file: Path, as_json: bool, **options: Any) -> int:
    """Train a model according to the `train` section of its file.

    \b
    SPEC is one of
      train.npz  x.npy                      arrays, named after the inputs
      rows.csv  rows.parquet                tables, with columns named after the inputs
      image=x.npy  label=y.npy              a separate file for each input
      photos/                               one folder of images per class
      train-images-idx3-ubyte.gz            MNIST; its labels are read from the file next to it
      cifar-10-batches-bin/                 CIFAR-10 or CIFAR-100, in the binary format
      book.txt                              text: predict each character, or token, from those before it
      de.txt with --data en.txt             parallel text, line by line

    \b
    Examples:
      netrun train lenet5.net --data digits.npz --holdout 0.2 --resize stretch --epochs 10
      netrun train lenet5.net --data train.npz --valid valid.npz --out runs/x
      netrun train lenet5.net --data train.npz --valid valid.npz --out runs/x --resume
      netrun train gpt.net --data book.txt --holdout 0.1 --window 64 --lr 3e-4
    """
    from netruntime.cli.train.command import TrainOptions, train_model

    reading = take_reading_options(options)
    return train_model(TrainOptions(file=file, as_json=as_json, reading=reading, **options))
