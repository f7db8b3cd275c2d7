"""The table of a profile, as wide as the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from textwrap import wrap

import click

from netruntime.cli.common.columns import print_columns
from netruntime.cli.common.output import TEXT_WIDTH, plural, screen_width
from netruntime.profiling import Profile
from netruntime.profiling.grouping import Grouping, Order, ProfileRow, rows_of
from netruntime.quantities import bytes_text

HOT, WARM = 0.2, 0.05
"""From these shares on, a row is red or yellow."""
NUMBERS = ("ms", "share", "GFLOP/s", "bytes")
SMALL = 0.001
"""Rows below this share are left out without --all."""
SHOWN = 6
"""How many operators a note names."""
_HEADINGS: dict[Grouping, tuple[str, ...]] = {
    "line": ("line", "source"),
    "label": ("line", "label", "computes"),
    "operator": ("operator",),
}


def head_text(profile: Profile, training: bool) -> str:
    """`LeNet5 on native: 0.058 ms per run, 0.033 ms in operators`."""
    what = "per training step" if training else "per run"
    times = (
        f"{milliseconds(profile.seconds)} ms {what}, {milliseconds(profile.kernel_seconds)} ms in operators"
    )
    return f"{profile.name} on {profile.engine}: {times}"


def milliseconds(seconds: float) -> str:
    """With three significant digits or more: `0.0581`, `5.45`, `134.5`."""
    value = 1000 * seconds
    return f"{value:.1f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.4f}"


def print_rows(profile: Profile, by: Grouping, order: Order, *, every: bool = False) -> None:
    """Print the rows, those of hardly any time only on request, and what is not in them."""
    known = rows_of(profile, by, order)
    rows = [row for row in known if every or row.share >= SMALL]
    files = {row.file for row in rows}
    cells = [_cells(row, by, len(files) > 1) for row in rows]
    headings = [*_HEADINGS[by], *NUMBERS]
    texts = range(headings[0] == "line", len(_HEADINGS[by]))
    colours = ["red" if row.share >= HOT else "yellow" if row.share >= WARM else None for row in rows]
    print_columns(headings, cells, texts, colours)
    if len(rows) < len(known):
        rest = sum(row.share for row in known) - sum(row.share for row in rows)
        click.echo(f"\n{plural(len(known) - len(rows), 'more row')}, {rest:.1%} in total: --all")
    for line in _notes(profile, known):
        click.echo(f"\n{line}")


def _cells(row: ProfileRow, by: Grouping, several_files: bool) -> list[str]:
    place = f"{PurePath(row.file).name}:{row.line}" if several_files else str(row.line)
    gflops = "" if row.gflops is None else f"{row.gflops:.1f}"
    size = bytes_text(row.bytes) if row.bytes else ""
    texts = {
        "line": [place, row.text],
        "label": [place, row.text, ", ".join(row.operators)],
        "operator": [row.text],
    }
    return [*texts[by], milliseconds(row.seconds), f"{row.share:.1%}", gflops, size]


def _notes(profile: Profile, rows: Sequence[ProfileRow]) -> list[str]:
    notes = []
    numpy = [part for part in profile.parts if part.kernels == ("numpy",)]
    if numpy and profile.engine != "numpy":
        total = profile.kernel_seconds or 1.0
        names = list(dict.fromkeys(part.operator for part in sorted(numpy, key=lambda part: -part.seconds)))
        share = sum(part.seconds for part in numpy) / total
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        text = f"without a native kernel, on NumPy, {share:.1%} of the time: {', '.join(names[:SHOWN])}{more}"
        notes.append("\n".join(wrap(text, min(screen_width(), TEXT_WIDTH))))
    if any(row.gflops for row in rows):
        gflops = 2 * sum(row.multiply_adds for row in rows) / (profile.kernel_seconds or 1.0) / 1e9
        notes.append(f"{gflops:.1f} GFLOP/s overall; the shortest times of {plural(profile.repeats, 'run')}")
    return notes
