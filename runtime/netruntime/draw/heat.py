"""Colours for the time that boxes take."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from netruntime.draw.scene import SceneItem

HEAT = "#e5484d"
STEPS = (0.01, 0.1, 0.5)
"""The shares that a legend shows."""


def show_times(root: SceneItem, times: Mapping[SceneItem, float]) -> None:
    """Give each item its share of all the time, what is inside included, and a line about it."""
    sums: dict[SceneItem, float] = {}
    for item in reversed(list(root.walk())):
        sums[item] = times.get(item, 0.0) + sum(sums[child] for child in item.children)
    total = sums[root] or 1.0
    for item, seconds in sums.items():
        item.share = seconds / total
        if seconds:
            text = f"{1000 * seconds:.3g} ms, {item.share:.1%} of the time"
            item.tooltip = f"{item.tooltip}\n{text}".lstrip()


def fill_of(share: float) -> str:
    """The colour of a share, on a light or dark page: its root, so that small shares differ too."""
    return f"color-mix(in srgb,{HEAT} {100 * sqrt(min(share, 1.0)):.0f}%,var(--box))"


def heat_style(item: SceneItem) -> str:
    """The attribute that fills a box by its share; empty where no times are shown."""
    return "" if item.share is None else f' style="fill:{fill_of(item.share)}"'
