"""`netrun init`: writes a commented starter file."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path

import click

from netruntime.cli.common.failures import file_error, usage_error
from netruntime.cli.common.options import json_option
from netruntime.cli.common.output import print_json, visible
from netruntime.cli.common.writing import write_failures, write_file
from netruntime.errors import shown

STARTERS = {
    "mlp": ("Digits", "row=random", "data.npz"),
    "cnn": ("Pictures", "image=photo.png", "photos/"),
    "transformer": ("Sentences", "tokens=random:0..1000 --size T=12", "data.npz"),
    "rnn": ("Signals", "signal=random --size T=20", "data.npz"),
}
"""For each kind: the model's name in the template, a fitting input, and training data."""


@click.command()
@click.argument("name", required=False, default="model")
@click.option(
    "--kind", type=click.Choice(list(STARTERS)), default="mlp", show_default=True, help="The kind of network."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@json_option
def init(name: str, kind: str, force: bool, as_json: bool) -> None:
    """Write a commented NAME.net to start from.

    \b
    Examples:
      netrun init
      netrun init digits
      netrun init tagger --kind transformer
    """
    path = target(name)
    write_starter(path, starter(kind, path.stem), force)
    if as_json:
        print_json({"ok": True, "file": str(path), "kind": kind})
        return
    shown_path = visible(str(path))
    click.echo(f"wrote {shown_path}\n\nNext:")
    steps = next_steps(shown_path, kind)
    width = max(len(command) for command, _ in steps)
    for command, words in steps:
        click.echo(f"  {command:<{width}}  {words}")


def next_steps(path: str, kind: str) -> list[tuple[str, str]]:
    """Commands to try on a new file, with what each does."""
    return [
        (f"netrun check {path}", "find mistakes"),
        (f"netrun show {path}", "see its layers and sizes"),
        (f"netrun test {path}", "run the tests at its end"),
        (f"netrun run {path} --input {STARTERS[kind][1]}", "run it"),
        (f"netrun train {path} --data {STARTERS[kind][2]} --holdout 0.2", "train it"),
    ]


def target(name: str) -> Path:
    """The file to write. Raises `CommandLineError` E0927 for an unusable name."""
    path = Path(name)
    if path.suffix != ".net":
        path = path.with_name(f"{path.name}.net") if path.name else path
    if not path.name or path.name.startswith((".", "-")) or not path.name.isprintable():
        raise usage_error("E0927", f"{shown(name)} cannot name a .net file", "write a name such as `digits`")
    return path


def starter(kind: str, stem: str) -> str:
    """The text of a starter file, with its model named after the file if that is a valid name."""
    text = files("netruntime.cli.init").joinpath("starters", f"{kind}.net").read_text("utf-8")
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", stem))
    if not re.match(r"[A-Z]", name) or stem == "model":
        return text
    return re.sub(rf"\b{STARTERS[kind][0]}\b", name, text)


def write_starter(path: Path, text: str, force: bool) -> None:
    """Write a new file. Raises `FileAccessError`: E0943 if it exists, E0941 if it cannot be written."""
    with write_failures(path):
        exists = os.path.lexists(path)
    if exists and not force:
        raise file_error("E0943", f"{shown(path)} already exists", "choose another name, or add --force")
    write_file(path, text)
