"""Prints the loss and the metrics of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import numpy as np

from netruntime.cli.common.output import print_rich, print_table
from netruntime.train.progress.figures import figure
from netruntime.train.progress.pictures import confusion_table


def print_figures(
    measured: Mapping[str, Mapping[str, Any]], classes: Mapping[str, Sequence[str]], rows: int
) -> None:
    """Print the loss and the scalar metrics of each phase, then confusion matrices."""
    for phase, figures in measured.items():
        scalars = {name: value for name, value in figures.items() if np.ndim(value) == 0}
        head = f"{phase}: {rows:,} rows" if phase else f"{rows:,} rows"
        click.echo(head)
        print_table(["figure", "value"], [(name, figure(float(v))) for name, v in scalars.items()], ["value"])
        for name, value in figures.items():
            if np.ndim(value) == 2:
                click.echo(f"\n{name}: rows are labels, columns are predictions")
                print_rich(confusion_table(value, next(iter(classes.values()), None)))
