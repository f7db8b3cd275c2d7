"""The table of a model: for every label path its output, parameters, multiply-adds and memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import error, suggest
from netdsl.dims import MAX_SIZE, Dim, SizeOverflowError, dim
from netdsl.graph import Graph
from netdsl.model import Input, Output, Parameter
from netdsl.types import TensorType
from netruntime.draw.hierarchy import LabelGroup, Weights, assign_weights, group_tree, is_hidden
from netruntime.quantities import bytes_text, number_text

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Counts:
    """What is summed over operators. Sizes stay expressions while a symbol in them is free."""

    parameters: Dim = field(default_factory=lambda: dim(0))
    """Numbers in trained parameters."""
    parameter_bytes: Dim = field(default_factory=lambda: dim(0))
    buffers: Dim = field(default_factory=lambda: dim(0))
    """Numbers in buffers, which are kept but not trained."""
    buffer_bytes: Dim = field(default_factory=lambda: dim(0))
    multiply_adds: Dim = field(default_factory=lambda: dim(0))
    activation_bytes: Dim = field(default_factory=lambda: dim(0))
    """Bytes of every operator's outputs, all alive at once, as when training."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.parameters + other.parameters,
            self.parameter_bytes + other.parameter_bytes,
            self.buffers + other.buffers,
            self.buffer_bytes + other.buffer_bytes,
            self.multiply_adds + other.multiply_adds,
            self.activation_bytes + other.activation_bytes,
        )

    def as_dict(self) -> dict[str, int | str]:
        """Each count as an integer, or as the text of an expression."""
        return {name: _plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Row:
    """One label path.

    Args:
        path: The label path; `@2` at its end marks a second use of a shared layer.
        kind: The block or the operator.
        type: The output types as text, separated by commas.
        level: How many groups it lies in.
        shared: Whether it uses weights that another row counts.
    """

    path: str
    kind: str
    type: str
    level: int
    counts: Counts
    shared: bool = False


@dataclass(frozen=True)
class Summary:
    """The rows of a model, outermost groups first, and their totals.

    A row of a group includes the rows inside it, so the totals are not the sum of all rows.
    `peak_activation_bytes` is the most that is alive at once in execution order; None while free.
    """

    name: str
    rows: tuple[Row, ...]
    totals: Counts
    peak_activation_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """The summary for programs, as `--json` prints it."""
        rows = [
            {
                "path": row.path,
                "kind": row.kind,
                "type": row.type,
                "level": row.level,
                "shared": row.shared,
                **row.counts.as_dict(),
            }
            for row in self.rows
        ]
        totals = {**self.totals.as_dict(), "peak_activation_bytes": self.peak_activation_bytes}
        return {"name": self.name, "rows": rows, "totals": totals}


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
    _check_sizes(graph, sizes)
    try:
        return _Table(graph, sizes, depth).summary()
    except SizeOverflowError as overflow:
        raise error("E0873", f"these sizes are too large to count with: {overflow}") from None


def _check_sizes(graph: Graph, sizes: Mapping[str, int]) -> None:
    known = {name for _, data in graph.operators() for t in data.types for name in _symbols(t)}
    for name, size in sizes.items():
        if name not in known:
            free = ", ".join(f"`{n}`" for n in sorted(known)) or "none"
            help = suggest(name, known) or f"its free sizes: {free}"
            raise error("E0871", f"the model has no free size `{name}`", help=help)
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_SIZE:
            raise error("E0872", f"the size `{name}` must be a positive 64-bit integer, but is {size!r}")


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
        return Summary(self.graph.name, tuple(rows), totals, self._peak())

    def _rows(self, group: LabelGroup, level: int) -> tuple[list[Row], Counts]:
        """The rows of what is directly and indirectly in a group, and their sum."""
        rows, total = [], Counts()
        for parameter in self.weights.loose.get(group.path, ()):
            rows.append(self._loose(parameter, level))
            total += rows[-1].counts
        for child in group.children:
            if isinstance(child, LabelGroup):
                inside, counts = self._rows(child, level + 1)
                rows.append(self._group(child, level, counts, inside))
                if len(inside) > 1 and (self.depth is None or level + 1 < self.depth):
                    rows += inside
            elif isinstance(self.graph.node(child).op, Output):
                continue
            else:
                rows.append(self._operator(child, level))
                counts = rows[-1].counts
            total += counts
        return rows, total

    def _group(self, group: LabelGroup, level: int, counts: Counts, inside: list[Row]) -> Row:
        types = [self.graph.type_of(port) for port in self.graph.ports_leaving(group.nodes())]
        shared = any(row.shared for row in inside)
        return Row(group.path, _kind(group), self._text(types), level, counts, shared)

    def _operator(self, node: int, level: int) -> Row:
        data = self.graph.node(node)
        counts = sum((self._parameter(p) for p in self.weights.of.get(node, ())), Counts())
        if not isinstance(data.op, Input):
            bytes_ = sum((t.bytes for t in data.types), dim(0))
            counts += Counts(
                multiply_adds=self._bound(self._cost(node)), activation_bytes=self._bound(bytes_)
            )
        shared = node in self.weights.also
        return Row(data.label, data.op.name, self._text(data.types), level, counts, shared)

    def _loose(self, parameter: int, level: int) -> Row:
        data, op = self.graph.node(parameter), self._parameter_of(parameter)
        return Row(data.label, op.role, self._text(data.types), level, self._parameter(parameter))

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
        for source, target in self.graph.edges():
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


def _plain(value: Dim) -> int | str:
    return value.value if value.is_fixed else str(value)


# -- for people ----------------------------------------------------------------------------------


def render_summary(result: Summary, width: int = 100) -> Table:
    """The summary as a table of the `rich` package, for a terminal of `width` columns.

    Narrow terminals get short numbers (`416.5k`) and no memory columns.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    wide, short = width >= 120, width < 130
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False, caption_justify="left")
    table.add_column("label", Text(result.name, "bold"), overflow="fold", ratio=None)
    table.add_column("kind", "total", style="cyan")
    table.add_column("output", "", style="green")
    table.add_column("parameters", number_text(result.totals.parameters, short), justify="right")
    table.add_column("multiply-adds", number_text(result.totals.multiply_adds, short), justify="right")
    if wide:
        table.add_column("weights", bytes_text(result.totals.parameter_bytes), justify="right", style="dim")
        table.add_column(
            "activations", bytes_text(result.totals.activation_bytes), justify="right", style="dim"
        )
    for row in result.rows:
        table.add_row(*(Text(cell) for cell in _cells(row, short, wide)))
    table.caption = "; ".join(_notes(result))
    return table


def _cells(row: Row, short: bool, wide: bool) -> Iterator[str]:
    counts = row.counts
    yield "  " * row.level + row.path
    yield row.kind
    yield row.type
    yield _weights_text(row, short)
    yield "" if counts.multiply_adds == 0 else number_text(counts.multiply_adds, short)
    if wide:
        yield "" if counts.parameter_bytes == 0 else bytes_text(counts.parameter_bytes)
        yield "" if counts.activation_bytes == 0 else bytes_text(counts.activation_bytes)


def _weights_text(row: Row, short: bool) -> str:
    if row.counts.parameters != 0:
        return number_text(row.counts.parameters, short)
    return "shared" if row.shared else ""


def _notes(result: Summary) -> Iterator[str]:
    if result.totals.buffers != 0:
        buffers = number_text(result.totals.buffers)
        yield f"{buffers} more numbers in buffers ({bytes_text(result.totals.buffer_bytes)}), not trained"
    if result.peak_activation_bytes is not None:
        yield f"at most {bytes_text(result.peak_activation_bytes)} of activations alive at once"
