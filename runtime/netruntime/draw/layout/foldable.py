"""What the script in a drawing needs to lay it out again: layers and sizes as JSON, by number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from typing import Any

from netruntime.draw.layout.geometry import Measures
from netruntime.draw.layout.layers import LayerSlot, Level
from netruntime.draw.scene import SceneItem, SceneValue

ITEM_KINDS = {"item": 0, "lane": 1, "in": 2, "out": 3}


def model_text(
    measures: Measures,
    root: SceneItem,
    folded: Set[SceneItem],
    numbers: Mapping[SceneItem, int],
    least: float,
) -> str:
    """The layers and sizes of a drawing, which is at least `least` wide.

    It holds only numbers, so that no text of a model reaches the script.
    """
    items = []
    for item in root.walk():
        size = measures.sizes[item]
        entry: dict[str, Any] = {"s": [_r(size.width), _r(size.height), _r(size.header)]}
        if item.copies > 1:
            entry["m"] = 1
        if item in measures.levels:
            entry.update(_level(measures.levels[item], numbers))
            entry["f"] = int(item in folded)
        items.append(entry)
    return json.dumps({"down": int(measures.down), "least": _r(least), "items": items}, separators=(",", ":"))


def _level(level: Level, numbers: Mapping[SceneItem, int]) -> dict[str, Any]:
    values: dict[SceneValue, int] = {}
    slots = [slot for layer in level.layers for slot in layer]
    place = {slot: n for n, slot in enumerate(slots)}
    wire_place = {wire: n for n, wire in enumerate(level.wires)}

    def number(value: SceneValue) -> int:
        return values.setdefault(value, len(values))

    def entry(slot: LayerSlot) -> list[Any]:
        item = numbers[slot.item] if slot.item is not None else -1
        return [
            ITEM_KINDS[slot.kind],
            item,
            [*map(number, slot.entries)],
            [*map(number, slot.exits)],
            slot.layer,
        ]

    return {
        "c": [numbers[child] for child in level.item.children],
        "slots": [entry(slot) for slot in slots],
        "layers": [[place[slot] for slot in layer] for layer in level.layers],
        "wires": [[number(w.value), place[w.upper], place[w.lower], int(w.side)] for w in level.wires],
        "routes": [[wire_place[wire] for wire in route] for route in level.routes],
        "backs": [[place[upper], place[lower]] for upper, lower in level.backs],
        "chains": [[place[slot] for slot in chain] for chain in level.chains],
    }


def _r(value: float) -> float:
    return round(value, 2)
