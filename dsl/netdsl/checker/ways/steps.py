"""Changes for the result of a recurrence: its last step, where one vector for each row is declared."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax as s
from netdsl.checker.context.causes import Mismatch
from netdsl.checker.ways import tree
from netdsl.checker.ways.change import Change, appended, change, insertion

_CELLS = ("Recurrent",)


def changes(cause: Mismatch) -> Iterator[Change]:
    file, at = cause.where.root.file, cause.tensor.span
    last = tree.smallest(file, at, s.Return)
    if not isinstance(last, s.Return):
        return
    value = next((v for v in last.values if v.span.start <= at.start and at.end <= v.span.end), None)
    yield from _first_index(last)
    if len(cause.tensor.type.shape) != len(cause.elements) + 1 or value is None:
        return
    block = tree.smallest(file, at, s.Block)
    if block is not None:
        yield from _other_name(block, value)
    if isinstance(value, s.Pipeline):
        yield from _last_step(value)


def _first_index(last: s.Return) -> Iterator[Change]:
    """`out[-1]`, which picks a row of the batch, as `out[:, -1]`."""
    for index in tree.every(last, s.Index):
        element = index.elements[0] if len(index.elements) == 1 else None
        if isinstance(element, (s.Number, s.Negative)):
            yield change((element.span, f":, {element.span.text}"), why="as the batch is the first axis")


def _last_step(value: s.Pipeline) -> Iterator[Change]:
    scans = [stage for stage in value.stages if _is_recurrence(stage.core)]
    if scans and "length" not in scans[-1].span.text:
        start = insertion(value.span, "(")
        end = appended(scans[-1].span, ")[:, -1]")
        text, cut = value.span.text, scans[-1].span.end - value.span.start
        shown = " ".join(f"({text[:cut]})[:, -1]{text[cut:]}".split())
        yield change(start, end, help=f"write `{shown}`, the last step of each row")


def _is_recurrence(core: s.Core) -> bool:
    if isinstance(core, s.Scan):
        return not core.modifiers
    return isinstance(core, s.Apply) and s.callee(core.call).span.text in _CELLS


def _other_name(block: s.Block, value: s.Expr) -> Iterator[Change]:
    """`h, out = x -> scan GRU(16) states`, whose first value is all steps."""
    source = value.source if isinstance(value, s.Pipeline) else value
    for statement in block.body:
        names = statement.names if isinstance(statement, s.Bind) else ()
        if isinstance(source, s.Name) and len(names) > 1 and names[0].text == source.text:
            first, second = names[0], names[1]
            swap = ((first.span, second.text), (second.span, first.text))
            yield change(*swap, why="as the first value is the result of every step")
