"""The graph as a tree of groups: one group for each block call, and for each label that holds others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netdsl.graph import Frame, Graph
from netdsl.immutable import immutable
from netdsl.model import Input, Parameter
from netdsl.ops.create.create import Constant
from netdsl.ops.sequence.scan import Scan
from netdsl.source import Span


@dataclass(eq=False)
class LabelGroup:
    """Operators that share a label prefix.

    `path` is the full label path, with `@2` at its end for the second use of a shared layer; `label`
    is the part below the parent. `block` names the block whose call this is; a prefix that no call
    made, such as a loop's, has none.
    """

    path: str
    label: str = ""
    block: str = ""
    span: Span | None = None
    children: list[LabelGroup | int] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    """The parameters minted directly in this group."""

    def nodes(self) -> Iterator[int]:
        """Every operator inside, in execution order."""
        for child in self.children:
            if isinstance(child, LabelGroup):
                yield from child.nodes()
            else:
                yield child

    def groups(self) -> Iterator[LabelGroup]:
        """This group and every group inside, outermost first."""
        yield self
        for child in self.children:
            if isinstance(child, LabelGroup):
                yield from child.groups()


def is_hidden(op: object) -> bool:
    """Whether drawings leave this operator out: parameters and constants."""
    return isinstance(op, Parameter | Constant)


def group_tree(graph: Graph, below: str = "") -> LabelGroup:
    """The tree of a graph's groups. Parameters are listed by the group that mints them; constants are not
    in the tree. `below` is a label path that all labels begin with, and that makes no groups."""
    builder = _Builder(LabelGroup(""))
    start = len(below) + 1 if below else 0
    for node, data in graph.operators():
        if not is_hidden(data.op):
            builder.place(data.label[start:], data.chain).children.append(node)
    for node, data in graph.operators():
        if isinstance(data.op, Parameter):
            builder.owner(data.label[start:], data.chain).parameters.append(node)
    _dissolve(builder.root, {n: i for i, n in enumerate(n for n in graph if not _is_aside(graph, n))})
    return builder.root


def _is_aside(graph: Graph, node: int) -> bool:
    op = graph.node(node).op
    return is_hidden(op) or isinstance(op, Input)


@dataclass
class _Builder:
    root: LabelGroup
    known: dict[str, LabelGroup] = field(default_factory=dict)

    def place(self, label: str, chain: tuple[Frame, ...]) -> LabelGroup:
        """The group of an operator, created with the groups around it where they are new."""
        group = self.root
        for path, frame in _levels(label, chain):
            group = self.known.get(path) or self._open(group, path, frame)
        return group

    def owner(self, label: str, chain: tuple[Frame, ...]) -> LabelGroup:
        """The innermost group already there that a parameter's label lies in."""
        group = self.root
        for path, _ in _levels(label, chain):
            group = self.known.get(path, group)
        return group

    def _open(self, parent: LabelGroup, path: str, frame: Frame | None) -> LabelGroup:
        names, outer = _split(path)[0], _split(parent.path)[0]
        label = ".".join(names[len(outer) :])
        group = LabelGroup(path, label, frame.block if frame else "", frame.span if frame else None)
        self.known[path] = group
        parent.children.append(group)
        return group


def _split(path: str) -> tuple[list[str], str]:
    """A label path's names, and its `@..` suffix."""
    path, at, use = path.partition("@")
    return path.split(".") if path else [], at + use


def _levels(label: str, chain: tuple[Frame, ...]) -> Iterator[tuple[str, Frame | None]]:
    """The label prefixes around an operator, outermost first, each with its block call if it has one."""
    depth, use = 0, ""
    names = _split(label)[0]
    for frame in chain:
        inner, frame_use = _split(frame.label)
        yield from ((".".join(names[:n]) + use, None) for n in range(depth + 1, len(inner)))
        yield frame.label, frame
        depth, use = len(inner), frame_use
    yield from ((".".join(names[:n]) + use, None) for n in range(depth + 1, len(names)))


def _dissolve(group: LabelGroup, order: dict[int, int]) -> None:
    """Take out label prefixes whose operators do not follow one another: as one box, they could be both
    before and after another box."""
    kept: list[LabelGroup | int] = []
    for child in group.children:
        if isinstance(child, int):
            kept.append(child)
            continue
        _dissolve(child, order)
        places = [order[node] for node in child.nodes() if node in order]
        if child.block or not places or max(places) - min(places) + 1 == len(places):
            kept.append(child)
            continue
        for inner in child.children:
            if isinstance(inner, LabelGroup):
                inner.label = f"{child.label}.{inner.label}"
            kept.append(inner)
        group.parameters += child.parameters
    group.children = sorted(kept, key=lambda c: c if isinstance(c, int) else next(c.nodes()))


@immutable
class Weights:
    """Which operator each parameter is counted with."""

    of: dict[int, list[int]]
    """Operator -> the parameters that it is the first to use, where both are of one group."""
    also: dict[int, list[int]]
    """Operator -> the parameters that it uses after another operator did."""
    loose: dict[str, list[int]]
    """Path of a group -> its parameters that only operators outside it, or in groups inside it, use."""


def assign_weights(graph: Graph, tree: LabelGroup) -> Weights:
    """Give each parameter to the first operator of its own group that uses it."""
    weights = Weights({}, {}, {})
    for group in tree.groups():
        own = {child for child in group.children if isinstance(child, int)}
        for parameter in group.parameters:
            users = list(dict.fromkeys(graph.successors(parameter)))
            home = next((user for user in users if user in own or _is_cell_of(graph, user, parameter)), None)
            if home is None:
                weights.loose.setdefault(group.path, []).append(parameter)
            else:
                weights.of.setdefault(home, []).append(parameter)
            for user in users:
                if user != home:
                    weights.also.setdefault(user, []).append(parameter)
    return weights


def _is_cell_of(graph: Graph, user: int, parameter: int) -> bool:
    data = graph.node(user)
    return isinstance(data.op, Scan) and bool(graph.node(parameter).label.startswith(data.label + "."))
