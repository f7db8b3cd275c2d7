"""The results of a run as tables, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from netruntime.cli.common.output import json_number, plural, print_table
from netruntime.cli.run.results import ArraySummary, Class, TopClasses, array_json, summarise
from netruntime.files.arrays import Array

MAX_POSITIONS = 8
"""The number of items of a batch that a table of classes shows."""


def print_outputs(outputs: Mapping[str, Array]) -> None:
    """Print a table with one row per output."""
    summary = {name: summarise(array) for name, array in outputs.items()}
    headings = ["output", "type", "min", "mean", "max", "first values"]
    print_table(headings, (_row(name, each) for name, each in summary.items()), right=headings[2:5])
    for name, each in summary.items():
        if each.nonfinite:
            count = plural(each.nonfinite, "value")
            click.echo(
                f"`{name}` holds NaN or infinity: {count}; --check-finite finds the line that produces it"
            )


def print_top(top: TopClasses) -> None:
    """Print a table of the largest classes for each position, and how probabilities are computed."""
    how = (
        "its values are probabilities" if top.is_probability else "probability is softmax over the last axis"
    )
    click.echo(f"\nThe largest of `{top.output}` ({how}):")
    shown = top.positions[:MAX_POSITIONS]
    several = len(top.positions) > 1
    labelled = any(entry.label for _, best in shown for entry in best)
    headings = ["item"] * several + ["class"] + ["label"] * labelled + ["value", "probability"]
    rows = [
        [_place(place)] * several + _class_row(entry, labelled) for place, best in shown for entry in best
    ]
    print_table(headings, rows, right=["class", "value", "probability"])
    if len(top.positions) > len(shown):
        click.echo(f"... and {plural(len(top.positions) - len(shown), 'more item')}")


def print_items(items: Sequence[tuple[str, Mapping[str, Array]]], tops: Sequence[TopClasses | None]) -> None:
    """Print a table with the largest class of each item or, without classes, its first values."""
    best = [(name, top.positions[0][1][0]) for (name, _), top in zip(items, tops, strict=True) if top]
    if best:
        _print_best(best)
        return
    rows = []
    for name, outputs in items:
        summary = ((output, summarise(array)) for output, array in outputs.items())
        rows += [[name, output, each.type, _numbers(each.first)] for output, each in summary]
    print_table(["item", "output", "type", "first values"], rows)


def _print_best(items: Sequence[tuple[str, Class]]) -> None:
    labelled = any(best.label for _, best in items)
    headings = ["item", "class"] + ["label"] * labelled + ["value", "probability"]
    rows = ([name, *_class_row(best, labelled)] for name, best in items)
    print_table(headings, rows, right=["class", "value", "probability"])


def outputs_json(outputs: Mapping[str, Array], tops: Iterable[TopClasses]) -> dict[str, Any]:
    """The outputs for `--json`, with their largest classes if requested."""
    document = {name: array_json(array) for name, array in outputs.items()}
    for top in tops:
        document[top.output]["top"] = [
            {"position": list(place), "classes": [_class_json(entry) for entry in best]}
            for place, best in top.positions
        ]
        document[top.output]["top_is_softmax"] = not top.is_probability
    return document


def _row(name: str, summary: ArraySummary) -> list[str]:
    low, mean, high = (short_number(value) for value in (summary.low, summary.mean, summary.high))
    return [name, summary.type, low, mean, high, _numbers(summary.first)]


def _numbers(values: Iterable[float | int | bool]) -> str:
    return "  ".join(short_number(value) for value in values)


def short_number(value: float | int | bool | None) -> str:
    """A number with five significant digits."""
    if value is None:
        return "-"
    if isinstance(value, (bool, int)):
        return str(value).lower()
    return f"{value:.5g}"


def percent(chance: float) -> str:
    """A probability in percent."""
    return "-" if math.isnan(chance) else f"{chance:.2%}"


def _place(place: tuple[int, ...]) -> str:
    return ", ".join(map(str, place))


def _class_row(entry: Class, labelled: bool) -> list[str]:
    return [
        str(entry.index),
        *([entry.label] * labelled),
        short_number(entry.value),
        percent(entry.probability),
    ]


def _class_json(entry: Class) -> dict[str, Any]:
    return {
        "index": entry.index,
        "label": entry.label or None,
        "value": json_number(entry.value),
        "probability": json_number(entry.probability),
    }
