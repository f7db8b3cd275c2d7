"""How large the slots of a group are, and where on them values enter and leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.immutable import immutable
from netruntime.draw.layout.geometry import LANE, PORT, STACK, Measures, Placed
from netruntime.draw.layout.layers import LayerSlot, Wire
from netruntime.draw.scene import SceneItem, SceneValue


@immutable
class Ports:
    """Sizes and ports of the slots of one group.

    Args:
        inner: The open groups laid out so far, those inside this one among them.
        header: The width that the header of the group needs; 0 for the root, which has none.
    """

    measures: Measures
    inner: Mapping[SceneItem, Placed]
    header: float

    def size(self, item: SceneItem) -> tuple[float, float]:
        """Across and along, with the cards behind a repeated item."""
        if item in self.inner:
            width, height = self.inner[item].width, self.inner[item].height
        else:
            size = self.measures.sizes[item]
            width, height = (size.width, size.height) if self.measures.down else (size.height, size.width)
        return width + stack_of(item), height + stack_of(item)

    def width(self, slot: LayerSlot) -> float:
        if slot.item is None:
            return LANE if slot.kind == "lane" else PORT
        return self.size(slot.item)[0]

    def height(self, slot: LayerSlot) -> float:
        return self.size(slot.item)[1] if slot.item is not None else 0.0

    def start(self, wire: Wire) -> float:
        """Where a wire leaves its upper slot, from the middle of the slot."""
        placed = self._placed(wire.upper)
        return self._offset(wire.upper, wire.upper.exits, wire.value, placed.exits if placed else None)

    def end(self, wire: Wire) -> float:
        """Where a wire enters its lower slot, from the middle of the slot."""
        placed = self._placed(wire.lower)
        return self._offset(wire.lower, wire.lower.entries, wire.value, placed.entries if placed else None)

    def _placed(self, slot: LayerSlot) -> Placed | None:
        return self.inner.get(slot.item) if slot.item is not None else None

    def _offset(
        self,
        slot: LayerSlot,
        values: Sequence[SceneValue],
        value: SceneValue,
        crossings: Sequence[float] | None,
    ) -> float:
        """The port of a value: where it continues inside an open group, else at an equal share of the box."""
        if crossings is not None:
            return crossings[values.index(value)] - self.width(slot) / 2
        if slot.item is None or not values:
            return 0.0
        stack = stack_of(slot.item)
        width = self.width(slot) - stack
        return width * (values.index(value) + 1) / (len(values) + 1) - width / 2 - stack / 2


def stack_of(item: SceneItem) -> float:
    """How far the cards behind an item stick out."""
    return STACK if item.copies > 1 else 0.0
