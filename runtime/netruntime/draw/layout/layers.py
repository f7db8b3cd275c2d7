"""Each open group as a layered graph: which box lies in which layer, in which order, and which way every
value takes. Nothing here depends on sizes, so folding a group leaves all of it as it is.

The boxes of a group lie in layers from start to end. A value that passes layers takes a lane through
them. What comes from outside enters by an in-port, in a separate layer before all others; what leaves
does so by an out-port in the last layer.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field

from netdsl.immutable import immutable
from netruntime.draw.scene import Scene, SceneItem, SceneValue


@dataclass(eq=False)
class LayerSlot:
    """A place in a layer: of an item, a lane, an in-port or an out-port.

    `entries` and `exits` are the values that enter and leave an item, in the order of its ports; a lane
    or port has the one value on each side.
    """

    kind: str
    layer: int
    item: SceneItem | None = None
    entries: list[SceneValue] = field(default_factory=list)
    exits: list[SceneValue] = field(default_factory=list)
    place: int = 0


@immutable
class Wire:
    """A value's way between two neighbouring layers, from a port of one slot to a port of another.

    With `side`, both slots are in one layer: a lane that enters a joining circle from the side.
    """

    value: SceneValue
    upper: LayerSlot
    lower: LayerSlot
    side: bool = False


@dataclass(eq=False)
class Level:
    """The layers of one group. `routes` has a wire sequence for each way from a source to a target."""

    item: SceneItem
    layers: list[list[LayerSlot]] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    routes: list[list[Wire]] = field(default_factory=list)
    chains: list[list[LayerSlot]] = field(default_factory=list)
    """Slots that are kept in line, from layer to layer. Every slot is in one chain."""
    backs: list[tuple[LayerSlot, LayerSlot]] = field(default_factory=list)
    """From where the next state of a scan is computed to where its next step reads it; from right to left."""


def build_levels(scene: Scene) -> dict[SceneItem, Level]:
    """The layers of every group of a scene that has children."""
    flows = _split_edges(scene)
    levels: dict[SceneItem, Level] = {}
    groups = [item for item in scene.root.walk() if item.children or item is scene.root]
    for group in reversed(groups):
        levels[group] = _Arrangement(group, flows[group], levels).level
    return levels


# -- the edges of the scene, group by group ------------------------------------------------------


@dataclass
class _Flow:
    """What flows between the children of one group; None is the group's own border."""

    edges: dict[tuple[SceneItem | None, SceneValue, SceneItem | None], None] = field(default_factory=dict)
    backs: dict[tuple[SceneItem, SceneItem], None] = field(default_factory=dict)


def _split_edges(scene: Scene) -> dict[SceneItem, _Flow]:
    """Cut every edge at the borders of the groups that it crosses."""
    flows = {item: _Flow() for item in scene.root.walk() if item.children or item is scene.root}
    for edge in scene.edges:
        value = (edge.source, edge.port)
        ups, downs = edge.source.ancestors(), edge.target.ancestors()
        shared = sum(1 for a, b in zip(ups, downs, strict=False) if a is b)
        if edge.back:
            flows[ups[shared - 1]].backs[(ups[shared], downs[shared])] = None
            continue
        for group, child in zip(ups[shared:], ups[shared + 1 :], strict=False):
            flows[group].edges[(child, value, None)] = None
        flows[ups[shared - 1]].edges[(ups[shared], value, downs[shared])] = None
        for group, child in zip(downs[shared:], downs[shared + 1 :], strict=False):
            flows[group].edges[(None, value, child)] = None
    return flows


# -- layers, lanes and order ---------------------------------------------------------------------

SWEEPS = 4


class _Arrangement:
    """Arranges one group; the groups inside must have been arranged before."""

    def __init__(self, group: SceneItem, flow: _Flow, inner: dict[SceneItem, Level]) -> None:
        self.level = Level(group)
        self.inner = inner
        self.slots: dict[SceneItem, LayerSlot] = {}
        self.ins: dict[SceneValue, LayerSlot] = {}
        self.outs: dict[SceneValue, LayerSlot] = {}
        self.targets: dict[SceneValue, list[LayerSlot]] = {}
        self.sources: dict[SceneValue, LayerSlot] = {}
        self._rank(flow)
        self._connect(flow)
        self._order()
        self._set_ports()
        self._align()
        backs = [(self.slots[upper], self.slots[lower]) for upper, lower in flow.backs]
        self.level.backs = sorted(backs, key=lambda back: -back[1].place)

    def _rank(self, flow: _Flow) -> None:
        """Give each child the first layer after all it depends on, and sources the last before their use."""
        has_ins = any(source is None for source, _, _ in flow.edges)
        first = 1 if has_ins else 0
        rank = dict.fromkeys(self.level.item.children, first)
        after: dict[SceneItem, list[SceneItem]] = {}
        fed = set()
        for source, _, target in flow.edges:
            if target is not None:
                fed.add(target)
            if source is not None and target is not None:
                after.setdefault(source, []).append(target)
        for item in rank:
            for follower in after.get(item, ()):
                rank[follower] = max(rank[follower], rank[item] + 1)
        for item in rank:
            if item not in fed and item in after:
                rank[item] = min(rank[follower] for follower in after[item]) - 1
        for item, layer in rank.items():
            self.slots[item] = LayerSlot("item", layer, item)
        last = max(rank.values(), default=0) + 1
        for source, value, target in flow.edges:
            if source is None:
                self.ins.setdefault(value, LayerSlot("in", 0, None, [value], [value]))
            if target is None:
                self.outs.setdefault(value, LayerSlot("out", last, None, [value], [value]))
        count = last + 1 if self.outs else last
        self.level.layers = [[] for _ in range(count)]
        for slot in (*self.ins.values(), *self.slots.values(), *self.outs.values()):
            self.level.layers[slot.layer].append(slot)

    def _connect(self, flow: _Flow) -> None:
        """Lead each value through lanes to all its targets."""
        for source, value, target in flow.edges:
            self.sources[value] = self.slots[source] if source is not None else self.ins[value]
            aims = self.targets.setdefault(value, [])
            aims.append(self.slots[target] if target is not None else self.outs[value])
        joined: set[SceneItem] = set()
        for value, targets in self.targets.items():
            self._lead(value, self.sources[value], sorted(targets, key=lambda slot: slot.layer), joined)

    def _lead(
        self, value: SceneValue, source: LayerSlot, targets: list[LayerSlot], joined: set[SceneItem]
    ) -> None:
        at, way, lanes = source, list[Wire](), dict[int, tuple[LayerSlot, list[Wire]]]()
        for target in targets:
            beside = self._enters_beside(source, target, joined)
            for layer in range(at.layer + 1, target.layer + (1 if beside else 0)):
                lane = LayerSlot("lane", layer, None, [value], [value])
                self.level.layers[layer].append(lane)
                wire = Wire(value, at, lane)
                self.level.wires.append(wire)
                at, way = lane, [*way, wire]
                lanes[layer] = lane, way
            start, before = lanes.get(target.layer - (0 if beside else 1), (source, []))
            wire = Wire(value, start, target, beside)
            self.level.wires.append(wire)
            self.level.routes.append([*before, wire])

    def _enters_beside(self, source: LayerSlot, target: LayerSlot, joined: set[SceneItem]) -> bool:
        """Whether a value that skips layers enters a joining circle from the side; one value may."""
        item = target.item
        if item is None or item.kind != "join" or target.layer - source.layer < 2 or item in joined:
            return False
        joined.add(item)
        return True

    # -- order within layers --------------------------------------------------------------------

    def _order(self) -> None:
        """Reorder each layer to lessen crossings, by the mean place of neighbours, down and up."""
        self._number()
        across = [wire for wire in self.level.wires if not wire.side]
        down: dict[LayerSlot, list[Wire]] = {}
        up: dict[LayerSlot, list[Wire]] = {}
        for wire in across:
            up.setdefault(wire.lower, []).append(wire)
            down.setdefault(wire.upper, []).append(wire)
        best, fewest = [list(layer) for layer in self.level.layers], self._crossings(across)
        for sweep in range(SWEEPS):
            if fewest == 0:
                break
            layers = self.level.layers if sweep % 2 == 0 else self.level.layers[::-1]
            for layer in layers[1:]:
                self._sort(layer, up if sweep % 2 == 0 else down, downwards=sweep % 2 == 0)
            crossings = self._crossings(across)
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.level.layers], crossings
        self.level.layers = best
        self._bring_beside()
        self._number()

    def _number(self) -> None:
        for layer in self.level.layers:
            for place, slot in enumerate(layer):
                slot.place = place

    def _sort(self, layer: list[LayerSlot], wires: dict[LayerSlot, list[Wire]], downwards: bool) -> None:
        def mean(slot: LayerSlot) -> float:
            near = wires.get(slot, ())
            ends = [self._exit(w) if downwards else self._entry(w) for w in near]
            return sum(ends) / len(ends) if ends else float(slot.place)

        layer.sort(key=mean)
        for place, slot in enumerate(layer):
            slot.place = place

    def _exit(self, wire: Wire) -> float:
        return wire.upper.place + _share(self._exits(wire.upper), wire.value)

    def _entry(self, wire: Wire) -> float:
        return wire.lower.place + _share(self._entries(wire.lower), wire.value)

    def _entries(self, slot: LayerSlot) -> list[SceneValue]:
        """The values that enter a slot in the order of its ports, where that is settled by then."""
        level = self.inner.get(slot.item) if slot.item is not None else None
        return [s.entries[0] for s in level.layers[0] if s.kind == "in"] if level else slot.entries

    def _exits(self, slot: LayerSlot) -> list[SceneValue]:
        level = self.inner.get(slot.item) if slot.item is not None else None
        return [s.exits[0] for s in level.layers[-1] if s.kind == "out"] if level else slot.exits

    def _crossings(self, wires: list[Wire]) -> int:
        """How many pairs of wires cross between neighbouring layers."""
        by_layer: dict[int, list[tuple[float, float]]] = {}
        for wire in wires:
            by_layer.setdefault(wire.upper.layer, []).append((self._exit(wire), self._entry(wire)))
        total = 0
        for ends in by_layer.values():
            seen: list[float] = []
            for _, lower in sorted(ends):
                total += len(seen) - bisect_left(seen, lower + 1e-9)
                insort(seen, lower)
        return total

    def _bring_beside(self) -> None:
        """Put a lane that enters a circle from the side next to the circle."""
        for wire in self.level.wires:
            if not wire.side:
                continue
            layer = self.level.layers[wire.lower.layer]
            is_right = layer.index(wire.upper) > layer.index(wire.lower)
            layer.remove(wire.upper)
            layer.insert(layer.index(wire.lower) + (1 if is_right else 0), wire.upper)

    def _set_ports(self) -> None:
        """The order of the ports of each item: as its groups have them inside, or as its neighbours lie."""
        for wire in sorted(self.level.wires, key=lambda w: w.upper.place):
            if wire.lower.kind == "item" and not wire.side and wire.value not in wire.lower.entries:
                wire.lower.entries.append(wire.value)
        for wire in sorted(self.level.wires, key=lambda w: w.lower.place):
            if wire.upper.kind == "item" and wire.value not in wire.upper.exits:
                wire.upper.exits.append(wire.value)
        for slot in self.slots.values():
            if slot.item in self.inner:
                slot.entries, slot.exits = self._entries(slot), self._exits(slot)

    # -- chains ---------------------------------------------------------------------------------

    def _align(self) -> None:
        """Choose the wires that are to be straight: lanes first, then main ways, and none that cross."""
        up: dict[LayerSlot, Wire] = {}
        down: dict[LayerSlot, Wire] = {}
        settled: dict[int, list[tuple[int, int]]] = {}
        for wire in self._straight_wires():
            upper, lower = wire.upper, wire.lower
            pair = (upper.place, lower.place)
            others = settled.setdefault(upper.layer, [])
            if upper in down or lower in up or _crosses(others, pair):
                continue
            insort(others, pair)
            down[upper], up[lower] = wire, wire
        for layer in self.level.layers:
            for slot in layer:
                if slot in up:
                    continue
                chain = [slot]
                while chain[-1] in down:
                    chain.append(down[chain[-1]].lower)
                self.level.chains.append(chain)

    def _straight_wires(self) -> list[Wire]:
        """The wires to keep straight, the most important first."""
        across = [wire for wire in self.level.wires if not wire.side]
        lanes = [w for w in across if w.upper.kind == "lane" and w.lower.kind == "lane"]
        main = [w for w in across if w.upper.kind != "lane" and w.lower.kind != "lane"]
        ends = [w for w in across if (w.upper.kind == "lane") != (w.lower.kind == "lane")]
        leaving, coming = _by_end(main)
        middle = [w for w in main if _is_middle(w, leaving[w.upper], coming[w.lower])]
        leaving, coming = _by_end(across)
        only = [w for w in ends if len(leaving[w.upper]) == 1 == len(coming[w.lower])]
        forks = [w for w in main if w.upper.kind == "in" and len(coming[w.lower]) == 1]
        after = {w.upper: w.lower for w in across if w.lower.kind == "item"}
        return [*lanes, *middle, *only, *sorted(forks, key=lambda w: -_length(w.lower, after))]


def _length(slot: LayerSlot, after: Mapping[LayerSlot, LayerSlot]) -> int:
    """How many boxes follow: what enters a group goes straight into its longest branch, so that the layers of
    a network stay below one another."""
    length = 0
    while slot in after:
        length, slot = length + 1, after[slot]
    return length


def _by_end(wires: list[Wire]) -> tuple[dict[LayerSlot, list[Wire]], dict[LayerSlot, list[Wire]]]:
    """The wires that leave each slot, and those that come to each."""
    leaving: dict[LayerSlot, list[Wire]] = {}
    coming: dict[LayerSlot, list[Wire]] = {}
    for wire in wires:
        leaving.setdefault(wire.upper, []).append(wire)
        coming.setdefault(wire.lower, []).append(wire)
    return leaving, coming


def _is_middle(wire: Wire, leaving: list[Wire], coming: list[Wire]) -> bool:
    below = sorted(leaving, key=lambda w: w.lower.place)
    above = sorted(coming, key=lambda w: w.upper.place)
    odd = len(below) % 2 == 1 and len(above) % 2 == 1
    return odd and below[len(below) // 2] is wire and above[len(above) // 2] is wire


def _crosses(settled: list[tuple[int, int]], pair: tuple[int, int]) -> bool:
    at = bisect_left(settled, pair)
    before = at > 0 and settled[at - 1][1] >= pair[1]
    behind = at < len(settled) and (settled[at][1] <= pair[1] or settled[at][0] == pair[0])
    return before or behind


def _share(values: list[SceneValue], value: SceneValue) -> float:
    """Where among the ports of a slot a value lies, in [0, 1); 0 for a slot of one port."""
    return values.index(value) / len(values) if len(values) > 1 and value in values else 0.0
