"""Builds the scene of a graph.

Parameters and constants are left out, a block of one operator is one box, and equal repetitions are
drawn once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netdsl.dims import dim
from netdsl.graph import Graph, Port, program_graph
from netdsl.model import CallStep, Input, Model, Output, Parameter
from netdsl.ops.elementwise.arithmetic import Add, Multiply, Subtract
from netdsl.ops.sequence.scan import Scan
from netdsl.source import Span
from netdsl.types import TensorType
from netruntime.draw.describing import is_automatic, shapes_text, tooltip
from netruntime.draw.heat import show_times
from netruntime.draw.hierarchy import LabelGroup, assign_weights, group_tree, is_hidden
from netruntime.draw.repeats import find_repeats
from netruntime.draw.scene import Scene, SceneEdge, SceneItem, SceneValue

Held = tuple[int, int]
"""How many numbers parameters and buffers hold."""
JOINS = {Add: "+", Multiply: "×", Subtract: "−"}
"""Operators drawn as a small circle where they join two values."""


def block_docs(model: Model) -> dict[str, str]:
    """The `##` comments of every block that a model calls, by block name."""
    docs: dict[str, str] = {}
    seen = set()
    waiting = [model.body]
    while waiting:
        body = waiting.pop()
        if body in seen:
            continue
        seen.add(body)
        if body.doc:
            docs.setdefault(body.name, body.doc)
        waiting += [step.body for step in body.steps if isinstance(step, CallStep)]
    return docs


def build_scene(
    graphs: Graph | Sequence[Graph],
    docs: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
    times: Mapping[str, float] | None = None,
) -> Scene:
    """The scene of a graph; of several graphs, each is a group.

    Args:
        docs: Comments of blocks for the tooltips, by block name.
        sizes: Values of free sizes, for the shapes.
        times: Of one graph, the seconds of its operators by label, for the colours.
    """
    graphs = [graphs] if isinstance(graphs, Graph) else list(graphs)
    if len(graphs) == 1:
        return _one_scene(graphs[0], docs or {}, sizes or {}, times=times)
    root, edges = SceneItem("", "group", " and ".join(g.name for g in graphs), "", ""), list[SceneEdge]()
    for graph in graphs:
        scene = _one_scene(graph, docs or {}, sizes or {}, f"{graph.name}/")
        edges += scene.edges
        part = scene.root
        part.key, part.category, part.tooltip = graph.name, "group", f"{graph.name}\n{part.tooltip}".rstrip()
        part.parent = root
        root.children.append(part)
        root.parameters += part.parameters
        root.buffers += part.buffers
    return Scene(root, tuple(edges), outer=1)


def _one_scene(
    graph: Graph,
    docs: Mapping[str, str],
    sizes: Mapping[str, int],
    prefix: str = "",
    times: Mapping[str, float] | None = None,
) -> Scene:
    builder = _Builder(graph, docs, prefix, bound=sizes)
    root = SceneItem("", "group", graph.name, "", "", tooltip=graph.interface.doc)
    root.parameters, root.buffers = builder.minted[""]
    builder.fill(root, builder.tree)
    edges = list(dict.fromkeys(builder.edges()))
    _mark_joins(root, edges)
    if times is not None:
        show_times(root, builder.times(times))
    return Scene(root, tuple(edges))


def _mark_joins(root: SceneItem, edges: list[SceneEdge]) -> None:
    """Draw the additions and products of two different values as circles."""
    sources: dict[SceneItem, set[SceneValue]] = {}
    for edge in edges:
        sources.setdefault(edge.target, set()).add((edge.source, edge.port))
    for item in root.walk():
        if item.kind == "join" and len(sources.get(item, ())) != 2:
            item.kind = "op"


def _sum(held: Sequence[Held]) -> Held:
    return sum(parameters for parameters, _ in held), sum(buffers for _, buffers in held)


@dataclass
class _Builder:
    graph: Graph
    docs: Mapping[str, str]
    prefix: str = ""
    below: str = ""
    held: Mapping[int, Held] = field(default_factory=dict)
    """Inputs that are parameters outside, as in the cell of a scan, with their sizes."""
    results: Sequence[Port] = ()
    """The results of a cell of a scan: its outputs, then the next states."""
    bound: Mapping[str, int] = field(default_factory=dict)
    """Values of free sizes."""
    boxes: dict[int, SceneItem] = field(default_factory=dict)
    cells: dict[int, _Builder] = field(default_factory=dict)
    alias: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tree = group_tree(self.graph, self.below)
        self.weights = assign_weights(self.graph, self.tree)
        self.minted: dict[str, Held] = {}
        self._count_minted(self.tree)

    def _count_minted(self, group: LabelGroup) -> Held:
        """The numbers in all parameters and buffers minted in each group."""
        inner = [self._count_minted(child) for child in group.children if isinstance(child, LabelGroup)]
        self.minted[group.path] = _sum([*map(self._size, group.parameters), *inner])
        return self.minted[group.path]

    def _size(self, node: int) -> Held:
        data = self.graph.node(node)
        count = sum((t.size for t in data.types), dim(0)).value
        assert isinstance(data.op, Parameter)
        return (count, 0) if data.op.role == "param" else (0, count)

    # -- items ----------------------------------------------------------------------------------

    def fill(self, parent: SceneItem, group: LabelGroup) -> None:
        """Make the items of everything in a group."""
        for child, copies, last in find_repeats(self.graph, group, self.alias):
            if isinstance(child, LabelGroup):
                label = child.label if last in ("", child.label) else f"{child.label}–{last}"
                self._adopt(parent, self._group(child, label, copies))
            elif child not in self.held:
                self._adopt(parent, self._operator(child, self._label(child)))

    def _adopt(self, parent: SceneItem, item: SceneItem) -> None:
        item.parent = parent
        parent.children.append(item)

    def _label(self, node: int) -> str:
        label = str(self.graph.node(node).label)
        return label.partition("@")[0].rpartition(".")[2]

    def _group(self, group: LabelGroup, label: str, copies: int) -> SceneItem:
        """One item for a group, with the label prefixes that hold nothing but it."""
        inner = group
        while not inner.block:
            (only, times, _), *others = find_repeats(self.graph, inner, self.alias)
            if others or not isinstance(only, LabelGroup):
                break
            if times == 1:
                label = f"{label}.{only.label}"
            inner, copies = only, copies * times
        item = self._single(inner, label) or self._whole(inner, label)
        item.copies = copies
        item.parameters, item.buffers = self.minted[inner.path]
        item.each = copies > 1 and f"{item.path}@2" not in self.minted
        item.is_shared = any(node in self.weights.also for node in inner.nodes())
        item.tooltip = self._tooltip(item, inner.span)
        return item

    def _single(self, group: LabelGroup, label: str) -> SceneItem | None:
        """A block of one operator, as one box."""
        if len(group.children) != 1 or not isinstance(group.children[0], int):
            return None
        item = self._operator(group.children[0], label)
        if not group.block:
            return item
        item.title, item.path = group.block, group.path
        item.label = "" if is_automatic(label, group.block) else label
        if item.kind == "join":
            item.kind = "block"
        return item

    def _whole(self, group: LabelGroup, label: str) -> SceneItem:
        shown = "" if is_automatic(label, group.block) else label
        item = SceneItem(self.prefix + group.path, "group", group.block, shown, group.path, category="group")
        item.shape = self._results(group)
        self.fill(item, group)
        return item

    def _results(self, group: LabelGroup) -> str:
        return self._shapes([self.graph.type_of(port) for port in self.graph.ports_leaving(group.nodes())])

    def _shapes(self, types: Iterable[TensorType]) -> str:
        return shapes_text([t.substitute(self.bound) if self.bound else t for t in types])

    def _operator(self, node: int, label: str) -> SceneItem:
        data = self.graph.node(node)
        op = data.op
        key = f"{self.prefix}{data.label}#{node}"
        kind = {Input: "input", Output: "output"}.get(type(op), "join" if type(op) in JOINS else "op")
        shown = "" if is_automatic(label, op.name) and kind in ("op", "join") else label
        if kind == "join" and shown:
            kind = "op"
        item = SceneItem(key, kind, op.name, shown, data.label, category=op.category)
        item.shape = self._shapes(data.types)
        if kind not in ("op", "join"):
            item.shape = ", ".join(str(t.substitute(self.bound)) for t in data.types)
        item.parameters, item.buffers = self._parameters(node)
        item.is_shared = node in self.weights.also
        item.tooltip = self._tooltip(item, data.span)
        self.boxes[node] = item
        if isinstance(op, Scan):
            self._scan(item, node, op)
        return item

    def _scan(self, item: SceneItem, node: int, op: Scan) -> None:
        data = self.graph.node(node)
        item.kind, item.loop, item.category = "group", "backward" if op.reverse else "forward", "group"
        item.label = item.label or item.path
        item.shape = self._shapes(data.types[: len(op.program.outputs) - op.states])
        held = {}
        for source, edge in self.graph.edges_into(node):
            inner = edge.slot - (edge.slot > op.sequences)
            if is_hidden(self.graph.node(source).op) and inner >= op.sequences + op.states:
                is_parameter = isinstance(self.graph.node(source).op, Parameter)
                held[inner] = self._size(source) if is_parameter else (0, 0)
        graph, results = program_graph(op.program, data.label, data.span)
        cell = _Builder(graph, self.docs, f"{item.key}/", data.label, held, results, self.bound)
        cell.fill(item, cell.tree)
        for number in range(op.sequences, op.sequences + op.states):
            cell.boxes[number].category = "pill state"
        self.cells[node] = cell

    def times(self, times: Mapping[str, float]) -> dict[SceneItem, float]:
        """The seconds of boxes; those of a label that several operators have are shared by them."""
        nodes: dict[str, list[int]] = {}
        for number, data in self.graph.operators():
            if self._original(number) in self.boxes:
                nodes.setdefault(data.label, []).append(number)
        found: dict[SceneItem, float] = {}
        for label, own in nodes.items():
            for number in own:
                item = self.boxes[self._original(number)]
                found[item] = found.get(item, 0.0) + times.get(label, 0.0) / len(own)
        return found

    # -- texts ----------------------------------------------------------------------------------

    def _parameters(self, node: int) -> Held:
        own = [self._size(p) for p in self.weights.of.get(node, ())]
        held = [h for n, h in self.held.items() if next(self.graph.successors(n), None) == node]
        return _sum([*own, *held])

    def _tooltip(self, item: SceneItem, span: Span | None) -> str:
        return tooltip(item, span, self.docs.get(item.title, ""), item.each)

    # -- edges ----------------------------------------------------------------------------------

    def edges(self) -> Iterator[SceneEdge]:
        """Every value between two boxes, those inside the cells of scans included."""
        for source, target, edge in self.graph.typed_edges():
            if is_hidden(self.graph.node(source).op):
                continue
            value = self.value(source, edge.output)
            box = self.target(target, edge.slot)
            if value is not None and box is not None and value[0] is not box:
                yield SceneEdge(*value, box)
        for node, cell in self.cells.items():
            yield from cell.edges()
            yield from cell.returns(self._scan_of(node))

    def value(self, node: int, output: int) -> SceneValue | None:
        """The box that a value comes out of."""
        node = self._original(node)
        if node in self.cells:
            inner, number = self.cells[node].results[output]
            return self.cells[node].value(inner, number)
        box = self.boxes.get(node)
        return (box, (node, output)) if box is not None else None

    def target(self, node: int, slot: int) -> SceneItem | None:
        """The box that a value goes into."""
        if node not in self.cells:
            return self.boxes.get(node)
        op = self._scan_of(node)
        cell = self.cells[node]
        if slot == op.sequences:
            return cell.boxes[min(cell.boxes)]
        return cell.boxes.get(slot - (slot > op.sequences))

    def returns(self, op: Scan) -> Iterator[SceneEdge]:
        """The states of a cell, from where they are computed to where the next step reads them."""
        for number, (node, output) in enumerate(self.results[len(self.results) - op.states :]):
            value, box = self.value(node, output), self.boxes.get(op.sequences + number)
            if value is not None and box is not None and value[0] is not box:
                yield SceneEdge(*value, box, back=True)

    def _scan_of(self, node: int) -> Scan:
        op = self.graph.node(node).op
        assert isinstance(op, Scan)
        return op

    def _original(self, node: int) -> int:
        while node in self.alias:
            node = self.alias[node]
        return node
