"""Counts a model's parameters, multiply-adds and memory, for every label path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from netdsl.diagnostics import error, suggest
from netdsl.dims import MAX_SIZE, Dim, SizeOverflowError, dim
from netdsl.graph import Graph
from netdsl.model import Input, Output, Parameter
from netdsl.types import TensorType
from netruntime.draw.hierarchy import LabelGroup, Weights, assign_weights, group_tree, is_hidden
from netruntime.draw.repeats import RepeatRun, find_repeats
from netruntime.draw.table.counts import Counts, Row
from netruntime.draw.table.summary import Summary


def summary(graph: Graph, sizes: Mapping[str, int] | None = None, depth: int | None = None) -> Summary:
    """Count a model's parameters, multiply-adds and memory.

    Args:
        sizes: Sizes for free symbols, such as `{"B": 1}`.
        depth: How many levels of groups to list; 1 lists the model's own stages only.

    Raises:
        NetError: a size is given to a symbol the model does not have (E0871), is not a positive integer
            (E0872), or makes a count leave 64 bits (E0873).
    """
    sizes = dict(sizes or {})
    check_sizes([graph], sizes)
    try:
        return _Table(graph, sizes, depth).summary()
    except SizeOverflowError as overflow:
        raise error("E0873", f"these sizes are too large to count with: {overflow}") from None


def check_sizes(graphs: Sequence[Graph], sizes: Mapping[str, int]) -> None:
    """Raises `NetError` E0871 or E0872 for sizes that none of the graphs has, or that are none."""
    known = {name for graph in graphs for name in _free_sizes(graph)}
    for name, size in sizes.items():
        if name not in known:
            free = ", ".join(f"`{n}`" for n in sorted(known)) or "none"
            help = suggest(name, known) or f"its free sizes: {free}"
            raise error("E0871", f"the model has no free size `{name}`", help=help)
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_SIZE:
            raise error("E0872", f"the size `{name}` must be a positive 64-bit integer, but is {size!r}")


def sizes_of(graph: Graph, sizes: Mapping[str, int]) -> dict[str, int]:
    """Those of the sizes that a graph has."""
    known = _free_sizes(graph)
    return {name: size for name, size in sizes.items() if name in known}


def _free_sizes(graph: Graph) -> set[str]:
    return {name for _, data in graph.operators() for t in data.types for name in _symbols(t)}


def _symbols(type_: TensorType) -> frozenset[str]:
    return frozenset().union(*(size.symbols for size in type_.shape))


@dataclass
class _Table:
    graph: Graph
    sizes: Mapping[str, int]
    depth: int | None
    tree: LabelGroup = field(init=False)
    weights: Weights = field(init=False)

    def __post_init__(self) -> None:
        self.tree = group_tree(self.graph)
        self.weights = assign_weights(self.graph, self.tree)

    def summary(self) -> Summary:
        rows, totals = self._rows(self.tree, 0)
        folded, _ = self._rows(self.tree, 0, fold=True)
        return Summary(self.graph.name, tuple(rows), totals, self._peak(), tuple(folded))

    def _rows(self, group: LabelGroup, level: int, fold: bool = False) -> tuple[list[Row], Counts]:
        """The rows of what is directly and indirectly in a group, and their sum."""
        rows, total = [], Counts()
        for parameter in self.weights.loose.get(group.path, ()):
            rows.append(self._loose(parameter, level))
            total += rows[-1].counts
        for run in self._runs(group, fold):
            first = run[0]
            if isinstance(first, LabelGroup):
                more = self._groups([each for each in run if isinstance(each, LabelGroup)], level, fold)
                counts = more[0].counts
                rows += more
            elif isinstance(self.graph.node(first).op, Output):
                continue
            else:
                rows.append(self._operator(first, level))
                counts = rows[-1].counts
            total += counts
        return rows, total

    def _runs(self, group: LabelGroup, fold: bool) -> Iterator[list[LabelGroup | int]]:
        """The children of a group, where `fold` is set with equal ones in a row taken together."""
        children = iter(group.children)
        for run in find_repeats(self.graph, group, {}) if fold else map(RepeatRun, group.children):
            yield list(islice(children, run.copies))

    def _groups(self, run: Sequence[LabelGroup], level: int, fold: bool) -> list[Row]:
        """The row of a group, or of several equal ones, and the rows inside the first of them."""
        first, last = run[0], run[-1]
        label = first.label if first is last else f"{first.label}–{last.label}"
        path = first.path if first is last else first.path.removesuffix(first.label) + label
        while fold and not first.block and len(inner := list(self._runs(first, fold))) == 1:
            only = [each for each in inner[0] if isinstance(each, LabelGroup)]
            if len(run) > 1 or len(only) < 2:  # a prefix that holds nothing but equal layers is one row
                break
            run, first = only, only[0]
        inside, each = self._rows(first, level + 1, fold)
        counts = sum((self._rows(other, level + 1)[1] for other in run[1:]), each)
        alike = counts == sum([each] * len(run), Counts())
        types = [self.graph.type_of(port) for port in self.graph.ports_leaving(run[-1].nodes())]
        kind = f"{len(run)} x {_kind(first)}" if len(run) > 1 else _kind(first)
        row = Row(
            path=path,
            kind=kind,
            type=self._text(types),
            level=level,
            counts=counts,
            shared=any(row.shared for row in inside),
            copies=len(run),
            each=each if alike else None,
            label=label,
        )
        is_open = len(inside) > 1 and (self.depth is None or level + 1 < self.depth)
        is_closed = fold and self._is_standard(first)
        return [row, *inside] if is_open and not is_closed else [row]

    def _is_standard(self, group: LabelGroup) -> bool:
        """Whether a group is a call of a block of the standard library."""
        first = group.children[0]
        span = first.span if isinstance(first, LabelGroup) else self.graph.node(first).span
        return bool(group.block) and span is not None and span.source.name.startswith("std/")

    def _operator(self, node: int, level: int) -> Row:
        data = self.graph.node(node)
        counts = sum((self._parameter(p) for p in self.weights.of.get(node, ())), Counts())
        if not isinstance(data.op, Input):
            bytes_ = sum((t.bytes for t in data.types), dim(0))
            counts += Counts(
                multiply_adds=self._bound(self._cost(node)), activation_bytes=self._bound(bytes_)
            )
        shared = node in self.weights.also
        label = data.label.partition("@")[0].rpartition(".")[2]
        return Row(data.label, data.op.name, self._text(data.types), level, counts, shared, label=label)

    def _loose(self, parameter: int, level: int) -> Row:
        data, op = self.graph.node(parameter), self._parameter_of(parameter)
        label = data.label.rpartition(".")[2]
        counts = self._parameter(parameter)
        return Row(data.label, op.role, self._text(data.types), level, counts, label=label)

    def _parameter(self, node: int) -> Counts:
        (type_,) = self.graph.node(node).types
        count, bytes_ = self._bound(type_.size), self._bound(type_.bytes)
        if self._parameter_of(node).role == "param":
            return Counts(parameters=count, parameter_bytes=bytes_)
        return Counts(buffers=count, buffer_bytes=bytes_)

    def _parameter_of(self, node: int) -> Parameter:
        op = self.graph.node(node).op
        assert isinstance(op, Parameter)
        return op

    def _cost(self, node: int) -> Dim:
        op, types = self.graph.node(node).op, self.graph.input_types(node)
        named = sum(not name.startswith("*") for name in op.inputs)
        return op.cost(*types, *[None] * (named - len(types)))

    def _bound(self, value: Dim) -> Dim:
        return value.substitute(self.sizes) if self.sizes and not value.is_fixed else value

    def _text(self, types: Iterable[TensorType]) -> str:
        return ", ".join(str(t.substitute(self.sizes) if self.sizes else t) for t in types)

    def _peak(self) -> int | None:
        """The most bytes alive at once, each value from its making to its last use."""
        last: dict[int, int] = {}
        for source, target, _ in self.graph.typed_edges():
            last[source] = max(last.get(source, source), target)
        dying: dict[int, int] = {}
        alive = peak = 0
        for node, data in self.graph.operators():
            if isinstance(data.op, Output) or is_hidden(data.op):
                continue
            size = self._bound(sum((t.bytes for t in data.types), dim(0)))
            if not size.is_fixed:
                return None
            alive += size.value
            peak = max(peak, alive)
            end = last.get(node, node)
            dying[end] = dying.get(end, 0) + size.value
            alive -= dying.pop(node, 0)
        return peak


def _kind(group: LabelGroup) -> str:
    """The block of a group, or what a group without a block repeats: `6 x EncoderLayer`."""
    blocks = {child.block if isinstance(child, LabelGroup) else "" for child in group.children}
    if not group.block and len(blocks) == 1 and blocks != {""}:
        return f"{len(group.children)} x {blocks.pop()}"
    return group.block or "group"
