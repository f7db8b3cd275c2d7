"""Options that say how data is read, for the commands that process data sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.options import size_option

Command = TypeVar("Command", bound=Callable[..., Any])


def _numbers(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    """`0.485,0.456,0.406` as numbers. Raises `click.BadParameter`."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a list of numbers such as 0.5,0.5,0.5") from None


_READING = (
    click.option(
        "--resize",
        type=click.Choice(["stretch", "fit", "crop"]),
        help="How to resize images to the size of the input; float arrays are not.  [default: stretch]",
    ),
    click.option("--scale", type=float, metavar="X", help="Scale bytes by the factor X.  [default: 1/255]"),
    click.option(
        "--mean", metavar="M,..", callback=_numbers, help="Mean per channel, subtracted after scaling."
    ),
    click.option(
        "--std",
        metavar="S,..",
        callback=_numbers,
        help="Divisor per channel, applied after --mean.",
    ),
    size_option,
    click.option(
        "--tokenizer", type=click.Path(path_type=Path), help="Tokenizer of text inputs, a tokenizer.json."
    ),
    click.option("--max-length", type=click.IntRange(min=1), metavar="N", help="Maximum sequence length."),
    click.option("--cut", is_flag=True, help="Truncate sequences that are too long, instead of failing."),
    click.option("--allow-nonfinite", is_flag=True, help="Accept NaN and infinite values in the data."),
)
_ROWS = (
    click.option(
        "--window",
        type=click.IntRange(min=1),
        metavar="N",
        help="Length of a text window, in characters or tokens.",
    ),
    click.option(
        "--stride",
        type=click.IntRange(min=1),
        metavar="N",
        help="Distance between the starts of text windows.",
    ),
    click.option("--strict", is_flag=True, help="Reject validation data that lacks a class."),
)
_NAMES = ("resize", "scale", "mean", "std", "sizes", "tokenizer", "max_length", "cut", "allow_nonfinite")
_ROW_NAMES = ("window", "stride", "strict")


def reading_options(function: Command) -> Command:
    """Add the options of every command that reads data; `take_reading_options` collects them."""
    for option in reversed(_READING):
        function = option(function)
    return function


def data_options(function: Command) -> Command:
    """Add the options that say how data sets are read; `take_reading_options` collects them."""
    for option in reversed(_ROWS):
        function = option(function)
    return reading_options(function)


def take_reading_options(options: dict[str, Any]) -> Mapping[str, Any]:
    """Remove the options about reading data from a command's options. Returns arguments of `DataOptions`."""
    reading = {name: options.pop(name) for name in (*_NAMES, *_ROW_NAMES) if name in options}
    scale = reading["scale"]
    if scale is not None and (not math.isfinite(scale) or scale == 0):
        message = f"--scale must be a finite number other than 0, but is {scale:g}"
        raise usage_error("E0920", message, "omit it for 1/255, or use 1 to keep the bytes")
    return {name: value for name, value in reading.items() if value not in (None, False, ())}
