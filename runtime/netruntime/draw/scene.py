"""What a drawing shows: boxes within groups, and the values that flow between them.

`build_scene` makes a scene from a graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Literal

from netdsl.graph import Port
from netdsl.immutable import immutable

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
        buffers: How many its buffers hold, which are not trained.
        each: Whether each of the copies has as many.
        is_shared: Whether it uses weights that another item counts.
        copies: How many equal items in a row it represents.
        loop: For the cell of a scan, whether it runs `forward` or `backward`.
        share: Of the time of a run, where that was measured, with all that is inside.
    """

    key: str
    kind: str
    title: str
    label: str
    path: str
    shape: str = ""
    parameters: int = 0
    buffers: int = 0
    each: bool = False
    is_shared: bool = False
    tooltip: str = ""
    category: str = "plain"
    copies: int = 1
    loop: Literal["", "forward", "backward"] = ""
    share: float | None = None
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


@immutable
class SceneEdge:
    """A value that flows from a box to a box. `back` marks a state that returns to the next step."""

    source: SceneItem
    port: Port
    target: SceneItem
    back: bool = False


@immutable
class Scene:
    """The root group and every edge between the boxes that have no children.

    `outer` is how many levels of groups there are around the models' own stages.
    """

    root: SceneItem
    edges: tuple[SceneEdge, ...]
    outer: int = 0

    def folded(self, folds: Set[SceneItem]) -> Scene:
        """This scene with some groups closed: each is one box, and values end at it. Changes its items."""
        shown: dict[SceneItem, SceneItem] = {}
        for item in self.root.walk():
            closed = [group for group in item.ancestors() if group in folds]
            shown[item] = closed[0] if closed else item
        edges = (SceneEdge(shown[e.source], e.port, shown[e.target], e.back) for e in self.edges)
        kept = tuple(dict.fromkeys(edge for edge in edges if edge.source is not edge.target))
        for group in folds:
            group.kind, group.children = "block", []
        return Scene(self.root, kept, self.outer)


OPEN_BOXES = 45
"""Without a depth, groups are open as deep as keeps a drawing to this many boxes."""


def default_folds(scene: Scene, depth: int | None) -> set[SceneItem]:
    """The groups that are closed at first.

    Without a depth, a group that holds no weights stays closed: its name says what it does.
    """
    root = scene.root
    groups = [item for item in root.walk() if item.children and item.parent]
    if depth is not None:
        return {item for item in groups if len(item.ancestors()) - 1 - scene.outer >= depth}
    depth = 1 + scene.outer
    while _count(root, depth) < _count(root, depth + 1) <= OPEN_BOXES:
        depth += 1
    return {item for item in groups if len(item.ancestors()) - 1 >= depth or not item.parameters}


def _count(item: SceneItem, depth: int) -> int:
    """How many boxes a drawing shows where groups at `depth`, and those without weights, are closed."""
    return sum(
        _count(c, depth - 1) if c.children and c.parameters and depth > 1 else 1 for c in item.children
    )
