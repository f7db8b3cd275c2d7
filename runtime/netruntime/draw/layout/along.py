"""Positions along the layers: the layers one after the other, with room for the wires between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.immutable import immutable
from netruntime.draw.layout.geometry import CHANNEL, EDGE_CHANNEL, HEADER, PAD, STRAIGHT, TRACK
from netruntime.draw.layout.layers import LayerSlot, Level, Wire
from netruntime.draw.layout.ports import Ports
from netruntime.draw.scene import SceneValue


@immutable
class Ends:
    """Where wires begin and end across the layers, in a group whose slots are placed across."""

    ports: Ports
    x: Mapping[LayerSlot, float]

    def start(self, wire: Wire) -> float:
        return self.x[wire.upper] + self.ports.start(wire)

    def end(self, wire: Wire) -> float:
        return self.x[wire.lower] + self.ports.end(wire)


@immutable
class Channel:
    """The room between two layers: its height, and where in it each value that turns has its track."""

    height: float
    tracks: Mapping[SceneValue, float]


@immutable
class Stack:
    """The layers of a group one after the other.

    `y` is the middle of each slot, `tracks` has for each channel where its values turn, and `height` is
    that of the group.
    """

    y: Mapping[LayerSlot, float]
    tracks: Sequence[Mapping[SceneValue, float]]
    height: float


def stacked(level: Level, ends: Ends) -> Stack:
    """Stack the layers of a group."""
    ports, y, tracks = ends.ports, dict[LayerSlot, float](), list[Mapping[SceneValue, float]]()
    channels = _channels(level, ends)
    top = _first_layer(level, ports)
    for number, layer in enumerate(level.layers):
        height = max((ports.height(slot) for slot in layer), default=0.0)
        for slot in layer:
            y[slot] = top + _middle(slot, height, ports.height(slot))
        top += height
        if number < len(channels):
            tracks.append({value: top + at for value, at in channels[number].tracks.items()})
            top += channels[number].height
    if not any(slot.kind == "out" for slot in level.layers[-1]):
        top += PAD
    return Stack(y, tracks, top if ports.measures.down else max(top, ports.header))


def _middle(slot: LayerSlot, layer: float, height: float) -> float:
    """Where in its layer a slot lies: a source at the end, next to its use; what has no wires at the top."""
    if slot.item is None or slot.entries:
        return layer / 2
    return layer - height / 2 if slot.exits else height / 2


def _first_layer(level: Level, ports: Ports) -> float:
    """Where the first layer begins. In a drawing to the right, the header lies beside the layers."""
    has_ins = any(slot.kind == "in" for slot in level.layers[0])
    if not ports.header:
        return PAD
    return (HEADER if ports.measures.down else 0.0) + (0.0 if has_ins else PAD)


def _channels(level: Level, ends: Ends) -> list[Channel]:
    """The channel below each layer but the last."""
    wires: list[list[Wire]] = [[] for _ in level.layers]
    for wire in level.wires:
        if not wire.side:
            wires[wire.upper.layer].append(wire)
    channels = []
    for number in range(len(level.layers) - 1):
        slots = (*level.layers[number], *level.layers[number + 1])
        at_border = any(slot.kind in ("in", "out") for slot in slots)
        channels.append(_channel(_turns(wires[number], ends), at_border))
    return channels


def _channel(turns: Sequence[tuple[SceneValue, float, float]], at_border: bool) -> Channel:
    """Give each value that turns the first track that is free over its range."""
    taken: list[tuple[float, float, int]] = []
    tracks: dict[SceneValue, int] = {}
    for value, low, high in turns:
        track = max((t + 1 for a, b, t in taken if a < high + 4 and low < b + 4), default=0)
        taken.append((low, high, track))
        tracks[value] = track
    count = max(tracks.values(), default=0)
    least = EDGE_CHANNEL if at_border and not turns else CHANNEL
    first = least / 2 - 2
    return Channel(least + count * TRACK, {value: first + track * TRACK for value, track in tracks.items()})


def _turns(wires: Sequence[Wire], ends: Ends) -> list[tuple[SceneValue, float, float]]:
    """The values that do not go straight through a channel, in the order of their tracks, with the
    range that each takes: those to the right from the right end, then those to the left."""
    reaches: dict[SceneValue, list[float]] = {}
    for wire in wires:
        reaches.setdefault(wire.value, [ends.start(wire)]).append(ends.end(wire))
    right: list[tuple[float, SceneValue, float, float]] = []
    left: list[tuple[float, SceneValue, float, float]] = []
    for value, points in reaches.items():
        low, high = min(points), max(points)
        if high - low < STRAIGHT:
            continue
        goes_right = high - points[0] >= points[0] - low
        (right if goes_right else left).append((points[0], value, low, high))
    right.sort(key=lambda turn: -turn[0])
    left.sort(key=lambda turn: turn[0])
    return [(value, low, high) for _, value, low, high in (*right, *left)]
