"""`netrun run`: a model on data from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netruntime.cli.common.options import (
    device_option,
    file_argument,
    json_option,
    model_option,
    set_option,
    size_option,
)


def _numbers(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    """`0.485,0.456,0.406` as numbers. Raises `click.BadParameter`."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a list of numbers such as 0.5,0.5,0.5") from None


@click.command()
@file_argument
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="NAME=SPEC",
    help="Data for an input; SPEC is told above.",
)
@click.option(
    "--weights",
    "-w",
    metavar="PATH",
    help="A .safetensors or .npz file, a folder of shards, or `random`.  "
    "[default: the .safetensors file beside the model's]",
)
@click.option("--names", metavar="MAP", help="The `weights` map of the file to read the weights by.")
@set_option
@device_option
@model_option
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Show the K largest classes.")
@click.option("--labels", type=click.Path(path_type=Path), help="Names of the classes, one to a line.")
@click.option("--save", type=click.Path(path_type=Path), help="Save the outputs as .npz, .npy or .json.")
@click.option("--tap", "taps", multiple=True, metavar="LABEL", help="Show and save an inner value too.")
@click.option("--check-finite", is_flag=True, help="Stop at the line that makes NaN or infinity.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="For random weights, inputs and operators.",
)
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Items per run, for folders.")
@size_option
@click.option(
    "--resize",
    type=click.Choice(["stretch", "fit", "crop"]),
    default="stretch",
    show_default=True,
    help="How an image comes to the input's size.",
)
@click.option("--mean", metavar="M,..", callback=_numbers, help="Taken from pixels, per channel.")
@click.option("--std", metavar="S,..", callback=_numbers, help="Divides pixels, per channel.")
@click.option(
    "--scale", type=float, default=1 / 255, metavar="X", help="Multiplies pixels first.  [default: 1/255]"
)
@click.option("--tokenizer", type=click.Path(path_type=Path), help="The tokenizer.json that splits text.")
@click.option("--allow-nonfinite", is_flag=True, help="Let inputs hold NaN and infinity.")
@json_option
def run(file: Path, as_json: bool, **options: Any) -> int:
    """Run a model on data and tell what comes out.

    \b
    SPEC is one of
      photo.png  photo.jpg              an image; --resize, --mean, --std, --scale
      x.npy  x.npz:KEY                  an array
      rows.csv  rows.json:KEY           numbers
      text.txt  "text:some words"       text, with --tokenizer
      -                                 JSON, or the bytes of a .npy file, from standard input
      random  random:0..10  zeros  ones made-up data; --size gives free sizes, B is 1
      photos/  "photos/*.jpg"           many files, in batches
    and needs no NAME= where the model has one input.

    \b
    Examples:
      netrun run lenet5.net --input 7.png --weights lenet5.safetensors --top 3
      netrun run resnet.net --input photos/ --labels imagenet.txt --save top.json
      netrun run pair.net --input image=cat.png --input mask=mask.npy --json
      netrun run lenet5.net --input random --size B=8 --tap conv1 --save taps.npz
    """
    from netruntime.cli.run.command import RunOptions, run_model

    return run_model(RunOptions(file=file, as_json=as_json, **options))
