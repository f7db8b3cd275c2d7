"""What a drawing shows: boxes within groups, and the values that flow between them.

`build_scene` makes a scene from a graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netdsl.graph import Port

SceneValue = tuple["SceneItem", Port]
"""A box, and the number of its result."""


@dataclass(eq=False)
class SceneItem:
    """A box, a pill, a joining circle, or a group of items.

    Args:
        key: Unique in the scene.
        kind: `op`, `block` (a block drawn as one box), `input`, `output`, `join` or `group`.
        title: The block or operator.
        label: The name below the enclosing group; empty if it was derived from the title.
        shape: What comes out, as text.
        parameters: How many numbers its parameters hold; in one of the copies, where there are several.
        is_shared: Whether it uses weights that another item counts.
        copies: How many equal items in a row it represents.
        loop: Whether it is the cell of a scan.
    """

    key: str
    kind: str
    title: str
    label: str
    path: str
    shape: str = ""
    parameters: int = 0
    is_shared: bool = False
    tooltip: str = ""
    category: str = "plain"
    copies: int = 1
    loop: bool = False
    children: list[SceneItem] = field(default_factory=list)
    parent: SceneItem | None = None

    def walk(self) -> Iterator[SceneItem]:
        """This item and all inside it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def ancestors(self) -> list[SceneItem]:
        """The groups around this item, the scene's root first, then the item."""
        chain = [self]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        return chain[::-1]


@dataclass(frozen=True)
class SceneEdge:
    """A value that flows from a box to a box. `back` marks a state that returns to the next step."""

    source: SceneItem
    port: Port
    target: SceneItem
    back: bool = False


@dataclass(frozen=True)
class Scene:
    """The root group and every edge between the boxes that have no children."""

    root: SceneItem
    edges: tuple[SceneEdge, ...]
