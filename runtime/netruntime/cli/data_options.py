"""The options that say how data is read, for every command that takes a data set."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--resize",
        type=click.Choice(["stretch", "fit", "crop"]),
        help="How pictures of another size come to the model's.",
    ),
    click.option("--scale", type=float, help="What bytes of pictures are multiplied by.  [default: 1/255]"),
    click.option("--strict", is_flag=True, help="A class that is missing in validation is an error."),
    click.option(
        "--max-length", type=click.IntRange(min=1), metavar="N", help="The longest sequence that is taken."
    ),
    click.option("--cut", is_flag=True, help="Cut longer sequences instead of refusing them."),
    click.option("--pad", type=int, metavar="ID", help="The id that fills shorter sequences.  [default: 0]"),
    click.option(
        "--tokenizer",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A tokenizer.json; texts are read as characters without one.",
    ),
    click.option(
        "--window",
        type=click.IntRange(min=1),
        metavar="N",
        help="Ids in a window of a text.  [default: the model's, or 64]",
    ),
    click.option(
        "--stride",
        type=click.IntRange(min=1),
        metavar="N",
        help="Ids from one window to the next.  [default: the window]",
    ),
    click.option("--begin", type=int, metavar="ID", help="The id that begins a translation."),
    click.option("--end", type=int, metavar="ID", help="The id that ends a translation."),
    click.option("--allow-nonfinite", is_flag=True, help="Take data with NaN and infinity as it is."),
)
_NAMES = (
    "resize",
    "scale",
    "strict",
    "max_length",
    "cut",
    "pad",
    "tokenizer",
    "window",
    "stride",
    "begin",
    "end",
    "allow_nonfinite",
)


def data_options(function: Command) -> Command:
    """`--resize`, `--window` and the others, as one `netruntime.data.DataOptions` named `options`."""

    @wraps(function)
    def command(*args: Any, **values: Any) -> Any:
        from netruntime.data.options import DataOptions  # slow to import, and not needed for --help

        given = {name: values.pop(name) for name in _NAMES}
        values["options"] = DataOptions(**{name: v for name, v in given.items() if v is not None})
        return function(*args, **values)

    decorated: Any = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    result: Command = decorated
    return result
