"""Coordinates of a drawing: every open group is a pure function of its layers and of the groups inside.

    centres across -> frame -> layers stacked along -> boxes -> paths

The script in the drawing, `fold.js`, computes the same when a reader folds a group; a test compares both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from netruntime.draw.layout.across import centres, framed
from netruntime.draw.layout.along import Ends, Stack, stacked
from netruntime.draw.layout.geometry import BACK, PAD, STRAIGHT, Box, Measures, Placed, WirePath
from netruntime.draw.layout.layers import LayerSlot, Level, Wire
from netruntime.draw.layout.ports import Ports, stack_of
from netruntime.draw.scene import SceneItem

Point = tuple[float, float]


def place(measures: Measures, root: SceneItem, folded: Set[SceneItem]) -> dict[SceneItem, Placed]:
    """Lay out every group that is open and in open groups, from the innermost outwards."""
    placed: dict[SceneItem, Placed] = {}
    for group in reversed(_open_groups(root, folded)):
        header = 0.0 if group is root else measures.sizes[group].header
        placed[group] = _arranged(measures.levels[group], Ports(measures, placed, header))
    return placed


def _open_groups(root: SceneItem, folded: Set[SceneItem]) -> list[SceneItem]:
    """The groups that show what is inside them, each before those in it."""
    waiting, order = [root], []
    while waiting:
        group = waiting.pop()
        order.append(group)
        waiting += [child for child in group.children if child.children and child not in folded]
    return order


def _arranged(level: Level, ports: Ports) -> Placed:
    """One group laid out, from the groups inside it."""
    x, width = framed(level, ports, centres(level, ports))
    ends = Ends(ports, x)
    stack = stacked(level, ends)
    boxes = _boxes(level, ends, stack)
    paths = tuple(_path(route, ends, stack, boxes) for route in level.routes)
    backs = tuple(_backs(level, ends, stack, boxes, width))
    entries = tuple(x[slot] for slot in level.layers[0] if slot.kind == "in")
    exits = tuple(x[slot] for slot in level.layers[-1] if slot.kind == "out")
    return Placed(width + BACK * len(level.backs), stack.height, boxes, paths, entries, exits, backs)


def _boxes(level: Level, ends: Ends, stack: Stack) -> dict[SceneItem, Box]:
    slots = (slot for layer in level.layers for slot in layer)
    return {slot.item: _box(slot, slot.item, ends, stack) for slot in slots if slot.item is not None}


def _box(slot: LayerSlot, item: SceneItem, ends: Ends, stack: Stack) -> Box:
    width, height = ends.ports.size(item)
    x, y = ends.x[slot] - width / 2, stack.y[slot] - height / 2
    return Box(x, y, width - stack_of(item), height - stack_of(item))


def _path(route: Sequence[Wire], ends: Ends, stack: Stack, boxes: Mapping[SceneItem, Box]) -> WirePath:
    """The corner points of a route."""
    points = [_first_point(route[0], ends, stack, boxes)]
    for wire in route[:-1] if route[-1].side else route:
        here, there = ends.start(wire), ends.end(wire)
        if abs(there - here) >= STRAIGHT:
            track = stack.tracks[wire.upper.layer][wire.value]
            points += [(here, track), (there, track)]
    points += _last_points(route[-1], ends, stack, boxes)
    return WirePath(tuple(points), route[-1].lower.item)


def _first_point(wire: Wire, ends: Ends, stack: Stack, boxes: Mapping[SceneItem, Box]) -> Point:
    item = wire.upper.item
    y = stack.y[wire.upper] if item is None else boxes[item].y + boxes[item].height
    return ends.start(wire), y


def _last_points(wire: Wire, ends: Ends, stack: Stack, boxes: Mapping[SceneItem, Box]) -> list[Point]:
    """The end of a route: from above, or from the side into a joining circle."""
    item = wire.lower.item
    if item is None:
        return [(ends.end(wire), stack.height)]
    box = boxes[item]
    if not wire.side:
        return [(ends.end(wire), box.y)]
    lane, middle = ends.x[wire.upper], box.y + box.height / 2
    edge = box.x + (box.width if lane > ends.x[wire.lower] else 0.0)
    return [(lane, middle), (edge, middle)]


def _backs(
    level: Level, ends: Ends, stack: Stack, boxes: Mapping[SceneItem, Box], width: float
) -> Iterator[WirePath]:
    """The ways of states to the next step: below their layer, up beside all layers, in from above."""
    for number, (upper, lower) in enumerate(level.backs):
        assert upper.item is not None and lower.item is not None
        source, target = boxes[upper.item], boxes[lower.item]
        x, middle = source.x + source.width * 0.8, target.x + target.width / 2
        lane, shift = width - PAD + 8 + BACK * number, 3.0 * (number % 2)
        below = max(_edge(slot, ends, stack, 0.5) for slot in level.layers[upper.layer]) + 5 + shift
        above = min(_edge(slot, ends, stack, -0.5) for slot in level.layers[lower.layer]) - 9 - shift
        start, end = (x, source.y + source.height), (middle, target.y)
        corners = ((x, below), (lane, below), (lane, above), (middle, above))
        yield WirePath((start, *corners, end), lower.item)


def _edge(slot: LayerSlot, ends: Ends, stack: Stack, part: float) -> float:
    return stack.y[slot] + part * ends.ports.height(slot)
