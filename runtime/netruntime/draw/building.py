"""Builds the scene of a graph.

Parameters and constants are left out, a block of one operator is one box, and equal repetitions are
drawn once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netdsl.dims import dim
from netdsl.graph import Graph, Port, program_graph
from netdsl.model import CallStep, Input, Model, Output, Parameter
from netdsl.ops.elementwise.arithmetic import Add, Multiply, Subtract
from netdsl.ops.sequence.scan import Scan
from netdsl.source import Span
from netdsl.types import TensorType, shape_text
from netruntime.draw.hierarchy import LabelGroup, assign_weights, group_tree, is_hidden
from netruntime.draw.repeats import find_repeats
from netruntime.draw.scene import Scene, SceneEdge, SceneItem, SceneValue
from netruntime.quantities import number_text

MAX_LINE = 120
"""Longer source lines are cut in tooltips."""
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


def build_scene(graph: Graph, depth: int | None = None, docs: Mapping[str, str] | None = None) -> Scene:
    """The scene of a graph.

    Args:
        depth: Groups at this level and deeper are drawn as one box; 1 draws the model's own stages.
        docs: Comments of blocks for the tooltips, by block name.
    """
    builder = _Builder(graph, depth, docs or {})
    root = SceneItem("", "group", graph.name, "", "", tooltip=graph.interface.doc)
    builder.fill(root, builder.tree, 0)
    edges = list(dict.fromkeys(builder.edges()))
    _mark_joins(root, edges)
    return Scene(root, tuple(edges))


def _mark_joins(root: SceneItem, edges: list[SceneEdge]) -> None:
    """Draw the additions and products of two different values as circles."""
    sources: dict[SceneItem, set[SceneValue]] = {}
    for edge in edges:
        sources.setdefault(edge.target, set()).add((edge.source, edge.port))
    for item in root.walk():
        if item.kind == "join" and len(sources.get(item, ())) != 2:
            item.kind = "op"


@dataclass
class _Builder:
    graph: Graph
    depth: int | None
    docs: Mapping[str, str]
    prefix: str = ""
    below: str = ""
    sizes: Mapping[int, int] = field(default_factory=dict)
    """Inputs that are parameters outside, as in the cell of a scan, with their sizes."""
    results: Sequence[Port] = ()
    """The results of a cell of a scan: its outputs, then the next states."""
    boxes: dict[int, SceneItem] = field(default_factory=dict)
    cells: dict[int, _Builder] = field(default_factory=dict)
    alias: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tree = group_tree(self.graph, self.below)
        self.weights = assign_weights(self.graph, self.tree)
        self.minted: dict[str, int] = {}
        self._count_minted(self.tree)

    def _count_minted(self, group: LabelGroup) -> int:
        """The numbers in all parameters minted in each group."""
        total = sum(self._size(p) for p in group.parameters)
        for child in group.children:
            if isinstance(child, LabelGroup):
                total += self._count_minted(child)
        self.minted[group.path] = total
        return total

    def _size(self, node: int) -> int:
        return sum((t.size for t in self.graph.node(node).types), dim(0)).value

    # -- items ----------------------------------------------------------------------------------

    def fill(self, parent: SceneItem, group: LabelGroup, level: int) -> None:
        """Make the items of everything in a group."""
        for child, copies, last in find_repeats(self.graph, group, self.alias):
            if isinstance(child, LabelGroup):
                label = child.label if last in ("", child.label) else f"{child.label}–{last}"
                self._adopt(parent, self._group(child, label, copies, level))
            elif child not in self.sizes:
                self._adopt(parent, self._operator(child, self._label(child), level))

    def _adopt(self, parent: SceneItem, item: SceneItem) -> None:
        item.parent = parent
        parent.children.append(item)

    def _label(self, node: int) -> str:
        label = str(self.graph.node(node).label)
        return label.partition("@")[0].rpartition(".")[2]

    def _group(self, group: LabelGroup, label: str, copies: int, level: int) -> SceneItem:
        """One item for a group, with the label prefixes that hold nothing but it."""
        inner = group
        while not inner.block:
            (only, times, _), *others = find_repeats(self.graph, inner, self.alias)
            if others or not isinstance(only, LabelGroup):
                break
            if times == 1:
                label = f"{label}.{only.label}"
            inner, copies = only, copies * times
        item = self._single(inner, label, level) or self._whole(inner, label, level)
        item.copies = copies
        item.parameters = self.minted[inner.path]
        item.is_shared = any(node in self.weights.also for node in inner.nodes())
        item.tooltip = self._tooltip(item, inner.span)
        return item

    def _single(self, group: LabelGroup, label: str, level: int) -> SceneItem | None:
        """A block of one operator, as one box."""
        if len(group.children) != 1 or not isinstance(group.children[0], int):
            return None
        item = self._operator(group.children[0], label, level)
        if not group.block:
            return item
        item.title, item.path = group.block, group.path
        item.label = "" if is_automatic(label, group.block) else label
        if item.kind == "join":
            item.kind = "block"
        return item

    def _whole(self, group: LabelGroup, label: str, level: int) -> SceneItem:
        is_open = self.depth is None or level + 1 < self.depth
        kind = "group" if is_open else "block"
        shown = "" if is_automatic(label, group.block) else label
        item = SceneItem(self.prefix + group.path, kind, group.block, shown, group.path, category="group")
        item.shape = self._results(group)
        if is_open:
            self.fill(item, group, level + 1)
        else:
            self._close(item, group)
        return item

    def _close(self, item: SceneItem, group: LabelGroup) -> None:
        nodes = list(group.nodes())
        self.boxes.update(dict.fromkeys(nodes, item))

    def _results(self, group: LabelGroup) -> str:
        return _shapes([self.graph.type_of(port) for port in self.graph.ports_leaving(group.nodes())])

    def _operator(self, node: int, label: str, level: int) -> SceneItem:
        data = self.graph.node(node)
        op = data.op
        key = f"{self.prefix}{data.label}#{node}"
        kind = {Input: "input", Output: "output"}.get(type(op), "join" if type(op) in JOINS else "op")
        shown = "" if is_automatic(label, op.name) and kind in ("op", "join") else label
        if kind == "join" and shown:
            kind = "op"
        item = SceneItem(key, kind, op.name, shown, data.label, category=op.category)
        item.shape = _shapes(data.types) if kind in ("op", "join") else ", ".join(map(str, data.types))
        item.parameters = self._parameters(node)
        item.is_shared = node in self.weights.also
        item.tooltip = self._tooltip(item, data.span)
        self.boxes[node] = item
        if isinstance(op, Scan):
            self._scan(item, node, op, level)
        return item

    def _scan(self, item: SceneItem, node: int, op: Scan, level: int) -> None:
        data = self.graph.node(node)
        item.kind, item.loop, item.category = "block", True, "group"
        item.label = item.label or item.path
        item.shape = _shapes(data.types[: len(op.program.outputs) - op.states])
        if self.depth is not None and level + 1 >= self.depth:
            return
        item.kind = "group"
        sizes = {}
        for source, edge in self.graph.edges_into(node):
            inner = edge.slot - (edge.slot > op.sequences)
            if is_hidden(self.graph.node(source).op) and inner >= op.sequences + op.states:
                is_parameter = isinstance(self.graph.node(source).op, Parameter)
                sizes[inner] = self._size(source) if is_parameter else 0
        graph, results = program_graph(op.program, data.label, data.span)
        cell = _Builder(graph, self.depth, self.docs, f"{item.key}/", data.label, sizes, results)
        cell.fill(item, cell.tree, level + 1)
        for number in range(op.sequences, op.sequences + op.states):
            cell.boxes[number].category = "pill state"
        self.cells[node] = cell

    # -- texts ----------------------------------------------------------------------------------

    def _parameters(self, node: int) -> int:
        count = sum(self._size(p) for p in self.weights.of.get(node, ()))
        held = (n for n in self.sizes if next(self.graph.successors(n), None) == node)
        return count + sum(self.sizes[n] for n in held)

    def _tooltip(self, item: SceneItem, span: Span | None) -> str:
        lines = [f"{item.path}: {item.title}" if item.title else item.path]
        if item.copies > 1:
            lines[0] += f" × {item.copies}"
        lines += [item.shape] if item.shape else []
        if item.parameters:
            is_each = item.copies > 1 and f"{item.path}@2" not in self.minted
            lines.append(f"{number_text(item.parameters)} parameters" + (" each" if is_each else ""))
        elif item.is_shared:
            lines.append("shares its weights")
        doc = self.docs.get(item.title, "")
        lines += [doc] if doc else []
        if span is not None:
            lines.append(f"{span}  {_excerpt(span)}")
        return "\n".join(lines)

    # -- edges ----------------------------------------------------------------------------------

    def edges(self) -> Iterator[SceneEdge]:
        """Every value between two boxes, those inside the cells of scans included."""
        for source, target, edge in self.graph.edges(data="edge"):
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


def _shapes(types: list[TensorType] | tuple[TensorType, ...]) -> str:
    """The output shapes; several equal ones as `4 × [B, 32]`. The usual f32 is left out."""
    texts = [shape_text(t.shape) if str(t.dtype) == "f32" else str(t) for t in types]
    if len(texts) > 1 and len(set(texts)) == 1:
        return f"{len(texts)} × {texts[0]}"
    return ", ".join(texts)


def _excerpt(span: Span) -> str:
    """The source line of a span, cut where it is long."""
    line, start = span.source.line(span.line), span.column - 1
    if len(line) <= MAX_LINE:
        return line.strip()
    begin = max(0, start - MAX_LINE // 4)
    return ("…" if begin else "") + line[begin : begin + MAX_LINE].strip() + "…"


def is_automatic(label: str, name: str) -> bool:
    """Whether a label was derived from a name: `tanh_2` from `tanh`, `avg_pool` from `AvgPool`."""
    head, _, count = label.rpartition("_")
    plain = head if head and count.isdigit() else label
    return plain.replace("_", "").lower() == name.replace("_", "").lower()
