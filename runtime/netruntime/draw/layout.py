"""Coordinates: the size of every box, and the points of every line, from layers and from what is folded.

Lengths are in pixels. `x` runs across the layers and `y` along them; for a drawing that runs to the
right the two are swapped when it is written. The script in the drawing, `fold.js`, computes the same
when a reader folds a group: keep the two alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from netruntime.draw.layers import Level, Slot, Wire
from netruntime.draw.scene import Item, Value

LANE, PORT = 2.0, 2.0
GAP, LANE_GAP = 22.0, 14.0
"""Between boxes in a layer, and where one of the two is a lane or a port."""
CHANNEL, TRACK, EDGE_CHANNEL = 26.0, 8.0, 16.0
"""The least height between two layers, what each further track adds, and the height next to a border."""
PAD = 14.0
HEADER = 26.0
STACK = 8.0
"""How far the cards behind a repeated group stick out."""
ROUNDS, STILL = 40, 0.05
"""How often boxes are moved towards their neighbours at most, and the move that is worth no further round."""


@dataclass(frozen=True)
class Box:
    """Where an item lies within its group, and how large it is, across and along."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A value's way within a group: corner points, and the item it ends at (None at the border)."""

    points: tuple[tuple[float, float], ...]
    target: Item | None


@dataclass
class Placed:
    """A group laid out: its size, and within it the boxes, the lines, and where values cross its border."""

    width: float
    height: float
    boxes: dict[Item, Box] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    entries: list[float] = field(default_factory=list)
    exits: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Size:
    """What an item needs by itself: folded or as a plain box, and for its header when open."""

    width: float
    height: float
    header: float = 0.0


@dataclass(frozen=True)
class Measures:
    """What a layout is made from. `down` is whether layers run from top to bottom."""

    levels: Mapping[Item, Level]
    sizes: Mapping[Item, Size]
    down: bool = True


def place(measures: Measures, root: Item, folded: frozenset[Item] | set[Item]) -> dict[Item, Placed]:
    """Lay out every group that is open and in open groups, from the innermost outwards."""
    placed: dict[Item, Placed] = {}
    waiting, order = [root], []
    while waiting:
        group = waiting.pop()
        order.append(group)
        waiting += [child for child in group.children if child.children and child not in folded]
    for group in reversed(order):
        placed[group] = _Placement(measures, measures.levels[group], placed, group is root).placed
    return placed


class _Placement:
    def __init__(self, measures: Measures, level: Level, inner: dict[Item, Placed], is_root: bool) -> None:
        self.measures = measures
        self.level = level
        self.inner = inner
        self.is_root = is_root
        self.x: dict[Slot, float] = {}
        self.y: dict[Slot, float] = {}
        self.tracks: list[dict[Value, float]] = []
        self.wires: dict[int, list[Wire]] = {}
        for wire in level.wires:
            if not wire.side:
                self.wires.setdefault(wire.upper.layer, []).append(wire)
        self._across()
        width = self._frame_across()
        height = self._along()
        self.placed = Placed(width, height)
        self._finish()

    # -- sizes and ports ------------------------------------------------------------------------

    def _width(self, slot: Slot) -> float:
        if slot.item is None:
            return LANE if slot.kind == "lane" else PORT
        return self._size(slot.item)[0]

    def _height(self, slot: Slot) -> float:
        return self._size(slot.item)[1] if slot.item is not None else 0.0

    def _size(self, item: Item) -> tuple[float, float]:
        """Across and along."""
        if item in self.inner:
            width, height = self.inner[item].width, self.inner[item].height
        else:
            size = self.measures.sizes[item]
            width, height = (size.width, size.height) if self.measures.down else (size.height, size.width)
        extra = STACK if item.copies > 1 else 0.0
        return width + extra, height + extra

    def _entry(self, slot: Slot, value: Value) -> float:
        """Where a value enters a slot, from the middle of the slot."""
        inner = self.inner.get(slot.item) if slot.item is not None else None
        if inner is not None:
            return inner.entries[slot.entries.index(value)] - self._width(slot) / 2
        return self._spread(slot, slot.entries, value)

    def _exit(self, slot: Slot, value: Value) -> float:
        inner = self.inner.get(slot.item) if slot.item is not None else None
        if inner is not None:
            return inner.exits[slot.exits.index(value)] - self._width(slot) / 2
        return self._spread(slot, slot.exits, value)

    def _spread(self, slot: Slot, values: list[Value], value: Value) -> float:
        if slot.item is None or not values:
            return 0.0
        stack = STACK if slot.item.copies > 1 else 0.0
        width = self._width(slot) - stack
        return width * (values.index(value) + 1) / (len(values) + 1) - width / 2 - stack / 2

    # -- across ---------------------------------------------------------------------------------

    def _across(self) -> None:
        """Place chains of slots as near to their neighbours as the order in the layers allows."""
        home: dict[Slot, tuple[int, float]] = {}
        straight = {(w.upper, w.lower): w for w in self.level.wires if not w.side}
        for number, chain in enumerate(self.level.chains):
            offset = 0.0
            home[chain[0]] = number, 0.0
            for upper, lower in pairwise(chain):
                wire = straight[(upper, lower)]
                offset += self._exit(upper, wire.value) - self._entry(lower, wire.value)
                home[lower] = number, offset
        rights: list[list[tuple[int, float]]] = [[] for _ in self.level.chains]
        lefts: list[list[tuple[int, float]]] = [[] for _ in self.level.chains]
        for layer in self.level.layers:
            for a, b in pairwise(layer):
                (left, before), (right, behind) = home[a], home[b]
                least = before + (self._width(a) + self._width(b)) / 2 + _gap(a, b) - behind
                rights[left].append((right, least))
                lefts[right].append((left, least))
        order = _left_to_right(lefts, rights)
        x = [0.0] * len(home)
        for chain_number in order:
            x[chain_number] = max((x[n] + least for n, least in lefts[chain_number]), default=0.0)
        pulls = self._pulls(home)
        for turn in range(ROUNDS):
            moved = 0.0
            for n in order[::-1] if turn % 2 == 0 else order:
                if not pulls[n]:
                    continue
                wanted = sum(x[m] + shift for m, shift in pulls[n]) / len(pulls[n])
                low = max((x[m] + least for m, least in lefts[n]), default=-inf)
                high = min((x[m] - least for m, least in rights[n]), default=inf)
                settled = max(low, min(high, wanted))
                moved = max(moved, abs(settled - x[n]))
                x[n] = settled
            if moved < STILL:
                break
        self.x = {slot: x[number] + offset for slot, (number, offset) in home.items()}

    def _pulls(self, home: dict[Slot, tuple[int, float]]) -> list[list[tuple[int, float]]]:
        """For each chain, the chains it is wired to, and how far from each it would best lie."""
        pulls: list[list[tuple[int, float]]] = [[] for _ in self.level.chains]
        for wire in self.level.wires:
            (a, above), (b, below) = home[wire.upper], home[wire.lower]
            if a == b or wire.side:
                continue
            shift = above + self._exit(wire.upper, wire.value) - below - self._entry(wire.lower, wire.value)
            pulls[b].append((a, shift))
            pulls[a].append((b, -shift))
        return pulls

    def _frame_across(self) -> float:
        """Shift all slots into the frame; gives the width across."""
        slots = [slot for layer in self.level.layers for slot in layer]
        left = min((self.x[s] - self._width(s) / 2 for s in slots), default=0.0)
        right = max((self.x[s] + self._width(s) / 2 for s in slots), default=0.0)
        header = 0.0 if self.is_root else self.measures.sizes[self.level.item].header
        start, least = (PAD, header) if self.measures.down else (PAD + (HEADER if header else 0.0), 0.0)
        width = max(right - left + start + PAD, least)
        shift = start + (width - start - PAD - (right - left)) / 2 - left
        self.x = {slot: x + shift for slot, x in self.x.items()}
        return width

    # -- along ----------------------------------------------------------------------------------

    def _along(self) -> float:
        """Stack the layers with room for the lines between them; gives the height along."""
        header = 0.0 if self.is_root else self.measures.sizes[self.level.item].header
        y = (HEADER if header else PAD) if self.measures.down else (0.0 if header else PAD)
        if not any(slot.kind == "in" for slot in self.level.layers[0]):
            y += PAD if header else 0.0
        for number, layer in enumerate(self.level.layers):
            height = max((self._height(slot) for slot in layer), default=0.0)
            for slot in layer:
                is_source = slot.item is not None and not slot.entries
                self.y[slot] = y + (height - self._height(slot) / 2 if is_source else height / 2)
            y += height
            if number + 1 < len(self.level.layers):
                y = self._channel(number, y)
        is_border = any(slot.kind == "out" for slot in self.level.layers[-1])
        y += 0.0 if is_border else PAD
        return y if self.measures.down or not header else max(y, header)

    def _channel(self, number: int, top: float) -> float:
        """Give each value that must turn between two layers a track; gives where the next layer begins."""
        turns = self._turns(number)
        taken: list[tuple[float, float, int]] = []
        tracks: dict[Value, int] = {}
        for value, low, high in turns:
            track = max((t + 1 for a, b, t in taken if a < high + 4 and low < b + 4), default=0)
            taken.append((low, high, track))
            tracks[value] = track
        count = max(tracks.values(), default=0)
        borders = [
            slot.kind in ("in", "out") for layer in self.level.layers[number : number + 2] for slot in layer
        ]
        least = EDGE_CHANNEL if any(borders) and not turns else CHANNEL
        height = least + count * TRACK
        start = top + (height - count * TRACK) / 2 - 2
        self.tracks.append({value: start + track * TRACK for value, track in tracks.items()})
        return top + height

    def _turns(self, number: int) -> list[tuple[Value, float, float]]:
        """The values that do not go straight through a channel, in the order of their tracks, with the
        range that each takes: those to the right from the right end, then those to the left."""
        ends: dict[Value, list[float]] = {}
        for wire in self.wires.get(number, ()):
            start, end = self._start(wire), self._end(wire)
            ends.setdefault(wire.value, [start]).append(end)
        right: list[tuple[float, Value, float, float]] = []
        left: list[tuple[float, Value, float, float]] = []
        for value, points in ends.items():
            low, high = min(points), max(points)
            if high - low < 0.5:
                continue
            goes_right = high - points[0] >= points[0] - low
            (right if goes_right else left).append((points[0], value, low, high))
        right.sort(key=lambda turn: -turn[0])
        left.sort(key=lambda turn: turn[0])
        return [(value, low, high) for _, value, low, high in (*right, *left)]

    def _start(self, wire: Wire) -> float:
        return self.x[wire.upper] + self._exit(wire.upper, wire.value)

    def _end(self, wire: Wire) -> float:
        return self.x[wire.lower] + self._entry(wire.lower, wire.value)

    # -- results --------------------------------------------------------------------------------

    def _finish(self) -> None:
        for layer in self.level.layers:
            for slot in layer:
                if slot.item is not None:
                    self._put(slot, slot.item)
        for slot in self.level.layers[0]:
            if slot.kind == "in":
                self.placed.entries.append(self.x[slot])
        for slot in self.level.layers[-1]:
            if slot.kind == "out":
                self.placed.exits.append(self.x[slot])
        for route in self.level.routes:
            self.placed.lines.append(self._line(route))

    def _put(self, slot: Slot, item: Item) -> None:
        width, height = self._size(item)
        stack = STACK if item.copies > 1 else 0.0
        x, y = self.x[slot] - width / 2, self.y[slot] - height / 2
        self.placed.boxes[item] = Box(x, y, width - stack, height - stack)

    def _line(self, route: list[Wire]) -> Line:
        """The corner points of a route."""
        first, last = route[0], route[-1]
        start = self.y[first.upper]
        if first.upper.item is not None:
            box = self.placed.boxes[first.upper.item]
            start = box.y + box.height
        points = [(self._start(first), start)]
        for wire in route:
            if wire.side:
                break
            here, there = self._start(wire), self._end(wire)
            if abs(there - here) >= 0.5:
                track = self.tracks[wire.upper.layer][wire.value]
                points += [(here, track), (there, track)]
        if last.side and last.lower.item is not None:
            box = self.placed.boxes[last.lower.item]
            edge = box.x + (box.width if self.x[last.upper] > self.x[last.lower] else 0.0)
            middle = box.y + box.height / 2
            points += [(self.x[last.upper], middle), (edge, middle)]
        else:
            item = last.lower.item
            end = self.placed.boxes[item].y if item is not None else self.placed.height
            points.append((self._end(last), end))
        return Line(tuple(points), last.lower.item)


def _gap(a: Slot, b: Slot) -> float:
    return GAP if a.item is not None and b.item is not None else LANE_GAP


def _left_to_right(lefts: list[list[tuple[int, float]]], rights: list[list[tuple[int, float]]]) -> list[int]:
    """The chains in an order in which each comes after all to its left."""
    missing = [len(before) for before in lefts]
    ready = [n for n, count in enumerate(missing) if count == 0]
    order = []
    while ready:
        n = ready.pop()
        order.append(n)
        for m, _ in rights[n]:
            missing[m] -= 1
            if missing[m] == 0:
                ready.append(m)
    return order
