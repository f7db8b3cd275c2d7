"""Options that name data and say how it is read, for the commands that go through whole data sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from netruntime.cli.common.failures import usage_error

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--scale", type=float, metavar="X", help="Multiplies the bytes of pictures.  [default: 1/255]"
    ),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "fit", "crop"]),
        help="Bring pictures of another size to the input's.",
    ),
    click.option("--max-length", type=click.IntRange(min=1), metavar="N", help="The longest sequence."),
    click.option("--cut", is_flag=True, help="Cut longer sequences, in place of refusing them."),
    click.option("--tokenizer", type=click.Path(path_type=Path), help="The tokenizer.json that splits text."),
    click.option(
        "--window", type=click.IntRange(min=1), metavar="N", help="Characters or tokens of a row of text."
    ),
    click.option(
        "--stride", type=click.IntRange(min=1), metavar="N", help="From one window of text to the next."
    ),
    click.option("--allow-nonfinite", is_flag=True, help="Let data hold NaN and infinity."),
    click.option("--strict", is_flag=True, help="Refuse validation data that lack a class."),
)
NAMES = ("scale", "resize", "max_length", "cut", "tokenizer", "window", "stride", "allow_nonfinite", "strict")


def data_options(function: Command) -> Command:
    """The options that say how data is read; `take_data_options` collects them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def take_data_options(options: dict[str, Any]) -> Mapping[str, Any]:
    """Take the data options out of a command's options: those that were given, by name."""
    taken = {name: options.pop(name) for name in NAMES}
    scale = taken["scale"]
    if scale is not None and (not math.isfinite(scale) or scale == 0):
        message = f"--scale is {scale:g}, and pictures are multiplied by a finite number other than 0"
        raise usage_error("E0920", message, "leave it out for 1/255, or give 1 to keep the bytes")
    return {name: value for name, value in taken.items() if value not in (None, False)}


def seed_option(function: Command) -> Command:
    """`--seed`."""
    words = "For first weights, the order of the data, and random operators."
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help=words)(function)
