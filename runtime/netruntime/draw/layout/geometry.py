"""The measures that a layout starts from, and the boxes and paths that it results in.

Lengths are in pixels. `x` runs across the layers and `y` along them; for a drawing that runs to the
right the two are swapped when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.immutable import immutable
from netruntime.draw.layout.layers import Level
from netruntime.draw.scene import SceneItem

LANE, PORT = 2.0, 2.0
GAP, LANE_GAP = 22.0, 14.0
"""Between boxes in a layer, and where one of the two is a lane or a port."""
CHANNEL, TRACK, EDGE_CHANNEL = 26.0, 8.0, 16.0
"""The least height between two layers, what each further track adds, and the height next to a border."""
PAD = 14.0
HEADER = 26.0
STACK = 8.0
"""How far the cards behind a repeated group stick out."""
BACK = 10.0
"""Between the ways of states that return, beside the layers of a scan."""
STRAIGHT = 0.5
"""A wire whose ends are nearer than this across the layers is drawn without a turn."""


@immutable
class Box:
    """Where an item lies within its group, and how large it is, across and along."""

    x: float
    y: float
    width: float
    height: float


@immutable
class WirePath:
    """A value's way within a group: corner points, and the item it ends at (None at the border)."""

    points: tuple[tuple[float, float], ...]
    target: SceneItem | None


@immutable
class Placed:
    """A group laid out: its size, and within it the boxes, the paths, where values cross its border, and the
    paths of states that return to the next step."""

    width: float
    height: float
    boxes: Mapping[SceneItem, Box]
    paths: tuple[WirePath, ...]
    entries: tuple[float, ...]
    exits: tuple[float, ...]
    backs: tuple[WirePath, ...] = ()


@immutable
class Size:
    """The size of an item: folded or as a plain box, and of its header when open."""

    width: float
    height: float
    header: float = 0.0


@immutable
class Measures:
    """What a layout is made from. `down` is whether layers run from top to bottom."""

    levels: Mapping[SceneItem, Level]
    sizes: Mapping[SceneItem, Size]
    down: bool = True
