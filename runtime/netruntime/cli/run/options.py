"""`netrun run`: runs a model on data from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.data_options import reading_options, take_reading_options
from netruntime.cli.common.grouping import ENGINE, READING, grouped
from netruntime.cli.common.options import (
    device_option,
    file_argument,
    json_option,
    model_option,
    seed_option,
    set_option,
    weights_options,
)

_GROUPS = {
    "Data": ("inputs", "batch_size"),
    "How data is read": READING,
    "The model": ("weights", "names", "settings", "model_name", "seed"),
    "The engine": ENGINE,
    "Output": ("top", "labels", "taps", "save", "check_finite", "as_json"),
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
    help="Data for an input; see SPEC above.",
)
@weights_options(
    "A .safetensors or .npz file, a folder of shards or of a run, or `random`.  "
    "[default: the .safetensors file next to the .net file]"
)
@set_option
@device_option
@model_option
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Show the K largest classes.")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one per line.")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Save the outputs as .npz, .npy or .json, or a table of classes or numbers as .csv.",
)
@click.option(
    "--tap", "taps", multiple=True, metavar="LABEL", help="Also show and save an intermediate value."
)
@click.option("--check-finite", is_flag=True, help="Stop at the line that produces NaN or infinity.")
@seed_option("Seed of random weights, inputs and operators.")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Items per batch, for folders.")
@reading_options
@json_option
def run(file: Path, as_json: bool, **options: Any) -> int:
    """Run a model on data and show its outputs.

    \b
    SPEC is one of
      photo.png  photo.jpg                an image; --resize, --mean, --std, --scale
      x.npy  x.npz:KEY                    an array
      rows.csv  rows.json:KEY             numbers
      text.txt  "text:some words"         text, with --tokenizer
      -                                   JSON, or the bytes of a .npy file, from standard input
      random  random:0..10  zeros  ones   generated data; --size sets free sizes, B defaults to 1
      photos/  "photos/*.jpg"             many files, in batches
    NAME= can be left out if the model has one input.

    \b
    Examples:
      netrun run lenet5.net --input 7.png --weights lenet5.safetensors --top 3
      netrun run resnet.net --input photos/ --labels imagenet.txt --save top.json
      netrun run pair.net --input image=cat.png --input mask=mask.npy --json
      netrun run lenet5.net --input random --size B=8 --tap conv1 --save taps.npz
    """
    from netruntime.cli.run.command import RunOptions, run_model

    reading = take_reading_options(options)
    return run_model(RunOptions(file=file, as_json=as_json, reading=reading, **options))
