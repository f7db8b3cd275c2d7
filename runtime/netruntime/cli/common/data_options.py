"""Options that say how data is read, for the commands that process data sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from netruntime.cli.common.failures import usage_error

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--scale", type=float, metavar="X", help="Multiply pixel values by X.  [default: 1/255]"),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "fit", "crop"]),
        help="How to resize pictures to the input's size.",
    ),
    click.option("--max-length", type=click.IntRange(min=1), metavar="N", help="Maximum sequence length."),
    click.option("--cut", is_flag=True, help="Truncate longer sequences instead of rejecting them."),
    click.option("--tokenizer", type=click.Path(path_type=Path), help="The tokenizer.json for text inputs."),
    click.option(
        "--window", type=click.IntRange(min=1), metavar="N", help="Characters or tokens per row of text."
    ),
    click.option(
        "--stride", type=click.IntRange(min=1), metavar="N", help="Step between consecutive windows of text."
    ),
    click.option("--allow-nonfinite", is_flag=True, help="Accept NaN and infinity in the data."),
    click.option("--strict", is_flag=True, help="Reject validation data in which a class is missing."),
)
NAMES = ("scale", "resize", "max_length", "cut", "tokenizer", "window", "stride", "allow_nonfinite", "strict")


def data_options(function: Command) -> Command:
    """Add the options that say how data is read; `take_data_options` collects them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def take_data_options(options: dict[str, Any]) -> Mapping[str, Any]:
    """Remove the data options from a command's options and return those that were set, by name."""
    taken = {name: options.pop(name) for name in NAMES}
    scale = taken["scale"]
    if scale is not None and (not math.isfinite(scale) or scale == 0):
        message = f"--scale must be a finite number other than 0, but is {scale:g}"
        raise usage_error("E0920", message, "omit it for 1/255, or use 1 to keep the pixel values")
    return {name: value for name, value in taken.items() if value not in (None, False)}


def seed_option(function: Command) -> Command:
    """`--seed`."""
    words = "Seed of the initial weights, the data order and random operators."
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help=words)(function)
