"""`netrun show`: a model as a table or a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdsl.immutable import immutable
from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.options import (
    DeviceFlags,
    device_option,
    file_argument,
    json_option,
    model_option,
    set_option,
    size_option,
)
from netruntime.cli.common.output import colour_wanted, note, print_json, screen_width
from netruntime.cli.common.writing import check_output, write_file
from netruntime.errors import shown

if TYPE_CHECKING:
    from netdsl.model import Model

DRAWING_FORMATS = ("svg", "html", "dot", "mermaid")
_STYLES: dict[str, Any] = {
    "name": {"bold": True},
    "kind": {"fg": "cyan"},
    "output": {"fg": "green"},
    "memory": {"dim": True},
}
SUFFIXES = {".svg": "svg", ".html": "html", ".htm": "html", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid"}


@click.command()
@file_argument
@set_option
@model_option
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="How many levels of blocks to expand.")
@click.option("--all", "every", is_flag=True, help="List every layer, and the parts of standard blocks.")
@size_option
@click.option(
    "--graph",
    "kind",
    type=click.Choice(DRAWING_FORMATS),
    help="Draw in this format instead of printing the table.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The output file; its suffix can select the format.",
)
@click.option("--plan", "show_plan", is_flag=True, help="List what runs: steps, kernels and buffers.")
@click.option("--memory", "show_memory", is_flag=True, help="Predict the memory of a run.")
@device_option
@json_option
def show(
    *,
    file: Path,
    settings: dict[str, str],
    model_name: str | None,
    depth: int | None,
    every: bool,
    sizes: dict[str, int],
    kind: str | None,
    output: Path | None,
    show_plan: bool,
    show_memory: bool,
    device: DeviceFlags,
    as_json: bool,
) -> None:
    """Show a model: a table of its layers, a drawing, or what runs.

    The table lists output shapes, parameters and multiply-adds; free sizes stay symbols unless --size
    sets them. Consecutive equal layers are one row; --all lists each of them.

    \b
    Examples:
      netrun show lenet5.net --size B=1
      netrun show resnet50.net --depth 2
      netrun show lenet5.net -o lenet5.svg --size B=1
      netrun show lenet5.net -o lenet5.html
      netrun show lenet5.net --graph mermaid >> README.md
      netrun show lenet5.net --plan --size B=1
      netrun show lenet5.net --memory --size B=64
    """
    kind = kind or _kind_of(output)
    if as_json and kind:
        raise usage_error(
            "E0920", "--json and --graph cannot be combined: --json prints the table, --graph a drawing"
        )
    if show_plan or show_memory:
        _show_run(RunView(file, settings, model_name, sizes, device, show_plan, as_json), kind)
        return
    from netruntime.cli.common.sources import open_checked, pick_models

    if output is not None:
        check_output(output, [file], "the drawing")
    models = pick_models(open_checked(file, settings), model_name)
    if kind is None:
        _print_tables(models, sizes, depth, every, as_json)
        return
    text = draw_models(models, kind, depth, sizes)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        _write(output, text)


@immutable
class RunView:
    """What `--plan` and `--memory` show."""

    file: Path
    settings: Mapping[str, str]
    model_name: str | None
    sizes: Mapping[str, int]
    device: DeviceFlags
    is_plan: bool
    as_json: bool


def _show_run(view: RunView, kind: str | None) -> None:
    if kind:
        name = "--plan" if view.is_plan else "--memory"
        raise usage_error("E0920", f"{name} and a drawing cannot be combined: {name} prints a table")
    from netruntime.cli.show.running import print_memory, print_plan

    (print_plan if view.is_plan else print_memory)(view)


def draw_models(models: Sequence[Model], kind: str, depth: int | None, sizes: Mapping[str, int]) -> str:
    """The drawing of the models of a file, as its text."""
    from netdsl.graph import expand
    from netruntime.draw import block_docs, check_sizes, draw_dot, draw_html, draw_mermaid, draw_svg

    graphs = [expand(model) for model in models]
    check_sizes(graphs, sizes)
    if kind == "mermaid":
        return draw_mermaid(graphs, depth=depth, sizes=sizes)
    docs = {name: doc for model in models for name, doc in block_docs(model).items()}
    drawer = {"svg": draw_svg, "html": draw_html, "dot": draw_dot}[kind]
    return drawer(graphs, depth=depth, docs=docs, sizes=sizes)


def _kind_of(output: Path | None) -> str | None:
    if output is None:
        return None
    kind = SUFFIXES.get(output.suffix.lower())
    if kind is None:
        endings = ", ".join(SUFFIXES)
        raise usage_error(
            "E0925", f"the suffix of {shown(output)} is not a drawing format", f"use {endings}, or --graph"
        )
    return kind


def _print_tables(
    models: Sequence[Model], sizes: Mapping[str, int], depth: int | None, every: bool, as_json: bool
) -> None:
    """Print the table of each model; as JSON, the only one, or a list of `models`."""
    from netdsl.graph import expand
    from netruntime.draw import check_sizes, sizes_of, summary

    graphs = [expand(model) for model in models]
    check_sizes(graphs, sizes)
    tables = [summary(graph, sizes_of(graph, sizes), depth) for graph in graphs]
    if as_json:
        documents = [table.as_dict() for table in tables]
        print_json({"ok": True, **(documents[0] if len(documents) == 1 else {"models": documents})})
        return
    texts = [table.text(screen_width(), every=every, style=_painted) for table in tables]
    click.echo("\n\n\n".join(texts), color=colour_wanted())


def _painted(name: str, text: str) -> str:
    return click.style(text, **_STYLES[name]) if name else text


def _write(path: Path, text: str) -> None:
    write_file(path, text)
    note(f"wrote {path}")
