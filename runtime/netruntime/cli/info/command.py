"""`netrun info`: what this machine has for netdsl."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from netruntime.cli.common.options import json_option
from netruntime.cli.common.output import colour_wanted, print_json, screen_width, visible


@click.command()
@json_option
def info(as_json: bool) -> None:
    """Show the versions, engine, devices and optional packages that a bug report should contain.

    \b
    Examples:
      netrun info
      netrun info --json
    """
    from netruntime.cli.info.facts import facts

    known = facts()
    if as_json:
        print_json({"ok": True, **known})
        return
    for name, text in rows(known):
        click.echo(_line(name, text), color=colour_wanted())


def _line(name: str, text: str) -> str:
    """A name and what there is, folded below itself where the screen ends."""
    from textwrap import wrap

    head, indent = click.style(f"{name:<10}", bold=True), " " * 10
    first, *rest = wrap(visible(text), max(screen_width() - 10, 40), break_long_words=False) or [""]
    return "\n".join([head + first, *(indent + line for line in rest)])


def rows(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The lines for people: a name, and what there is."""
    python, system, numpy = known["python"], known["platform"], known["numpy"]
    lines = [
        ("netdsl", known["netdsl"] or "from a source tree that is not installed"),
        ("Python", f"{python['version']}, {python['path']}"),
        ("platform", f"{system['system']}, {system['machine']}"),
        ("NumPy", f"{numpy['version']} with {numpy['blas'] or 'a BLAS that it does not name'}"),
        ("engine", engine_text(known["engine"])),
    ]
    lines += [(name, text) for name, text in known["devices"].items() if text is not None]
    present = [f"{name} {number}" for name, number in known["packages"].items() if number]
    missing = [name for name, number in known["packages"].items() if not number]
    lines.append(("packages", ", ".join(present) or "none of the optional ones"))
    if missing:
        lines.append(("", f"not installed: {', '.join(missing)}"))
    return lines


def engine_text(engine: Mapping[str, Any]) -> str:
    """`native: avx512, 2 threads`, or `numpy: ` and why."""
    if engine["name"] != "native":
        return f"{engine['name'] or 'none'}: {engine['reason']}"
    threads = engine["threads"]
    return f"native: {engine['instruction_set']}, {threads} thread{'' if threads == 1 else 's'}"
