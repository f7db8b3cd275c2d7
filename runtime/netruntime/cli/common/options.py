"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from netruntime.files.run_folder import file_of_run

Command = TypeVar("Command", bound=Callable[..., Any])


def assignments(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`key=value` texts as a dictionary. Raises `click.BadParameter`."""
    return _pairs(values)


def training_lines(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """As `assignments`; quoted patterns may follow the name: `group "head.*"=adjust(lr=0.01)`."""
    return _pairs(values, '"')


def _pairs(values: tuple[str, ...], end: str = "=") -> dict[str, str]:
    """`key=value` texts as a dictionary; the part of a key from `end` on is not checked here."""
    pairs: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not all(part.isidentifier() for part in key.partition(end)[0].strip().split(".")):
            kind, _, name = key.strip().partition(" ")
            near = f"; write {kind}.{name.strip()}=.." if kind in ("metric", "input") and end != "=" else ""
            if text.isidentifier():
                near = f"; write {text}=VALUE, without a space"
            raise click.BadParameter(f"'{text}' is not of the form NAME=VALUE{near}")
        if key.strip() in pairs:
            raise click.BadParameter(f"'{key.strip()}' appears twice")
        pairs[key.strip()] = value.strip()
    return pairs


def _sizes(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for name, value in assignments(ctx, parameter, values).items():
        if not (value.isascii() and value.isdigit() and len(value) < 16):
            raise click.BadParameter(f"the size {name} must be an integer of at least 0, but is '{value}'")
        sizes[name] = int(value)
    return sizes


def file_argument(function: Command) -> Command:
    """Add the argument FILE, the `.net` file, or the folder of a run, which holds one."""

    def file(ctx: click.Context, parameter: click.Parameter, path: Path) -> Path:
        return file_of_run(path)

    return click.argument("file", type=click.Path(path_type=Path), callback=file)(function)


def files_argument(function: Command) -> Command:
    """Add the argument FILES, `.net` files or folders of runs; `-` is standard input."""

    def files(ctx: click.Context, parameter: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(map(file_of_run, paths))

    kind = click.Path(path_type=Path, allow_dash=True)
    return click.argument("files", nargs=-1, required=True, type=kind, callback=files)(function)


def set_option(function: Command) -> Command:
    """`--set NAME=VALUE`, as a dictionary `settings`."""
    words = "Set an entry of the file's `config`; may be repeated."
    return click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", callback=assignments, help=words
    )(function)


def size_option(function: Command) -> Command:
    """`--size B=2`, as a dictionary `sizes`."""
    words = "Set a free size, such as B; may be repeated."
    return click.option("--size", "sizes", multiple=True, metavar="NAME=N", callback=_sizes, help=words)(
        function
    )


def model_option(function: Command) -> Command:
    """`--model NAME`."""
    words = "Which model to use if the file has several."
    return click.option("--model", "model_name", metavar="NAME", help=words)(function)


class DeviceFlags(NamedTuple):
    """The device and its engine as the command line names them."""

    name: str = "cpu"
    engine: str = "auto"
    threads: int | None = None
    exact: bool = False


_ENGINE = "engine"


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option of the engine for `--device`, which comes after it."""
    ctx.meta.setdefault(_ENGINE, {})[parameter.name] = value


def _device(ctx: click.Context, parameter: click.Parameter, value: str) -> DeviceFlags:
    return DeviceFlags(value, **ctx.meta.pop(_ENGINE))


def weights_options(words: str) -> Callable[[Command], Command]:
    """`--weights PATH`, which `words` explain, and `--names MAP`."""
    names = "The `weights` map of the .net file that translates their names."

    def add(function: Command) -> Command:
        function = click.option("--names", metavar="MAP", help=names)(function)
        return click.option("--weights", "-w", metavar="PATH", help=words)(function)

    return add


def trained_weights_options(function: Command) -> Command:
    """`--weights` and `--names` of the commands that use the weights of a run."""
    return weights_options("Trained weights.  [default: the .safetensors file next to the .net file]")(
        function
    )


def evaluated_batch_option(function: Command) -> Command:
    """`--batch-size` of the commands that run every row of a data set; no result depends on it."""
    count = click.IntRange(min=1)
    return click.option(
        "--batch-size", type=count, default=256, show_default=True, metavar="N", help="Rows per batch."
    )(function)


def seed_option(words: str, default: int | None = 0) -> Callable[[Command], Command]:
    """`--seed N`; with the default None the seed of the file."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=default,
        show_default=default is not None,
        metavar="N",
        help=words,
    )


def device_option(function: Command) -> Command:
    """`--device`, `--engine`, `--threads` and `--exact` as one value, `device`."""
    hidden: dict[str, Any] = {"is_eager": True, "expose_value": False, "callback": _keep}
    words = "Threads of the native engine.  [default: all available cores]"
    exact = "Do not use Winograd's method for convolutions, which rounds more."
    engines = click.Choice(["auto", "native", "numpy"])
    options = [
        click.option(
            "--device",
            default="cpu",
            metavar="NAME",
            callback=_device,
            help="cpu, cuda, cuda:1, or auto (a GPU if available).  [default: cpu]",
        ),
        click.option(
            "--engine",
            type=engines,
            default="auto",
            show_default=True,
            help="What computes on the CPU; auto is native where it is available.",
            **hidden,
        ),
        click.option("--threads", type=click.IntRange(1, 256), metavar="N", help=words, **hidden),
        click.option("--exact", is_flag=True, help=exact, **hidden),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def json_option(function: Command) -> Command:
    """`--json`, as `as_json`."""
    words = "Print one JSON document instead of text."
    return click.option("--json", "as_json", is_flag=True, help=words)(function)
