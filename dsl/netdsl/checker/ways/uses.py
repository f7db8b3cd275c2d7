"""Where the text uses a tensor: as an argument, as an operand, or as what is piped into a stage."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.checker.context.causes import Where
from netdsl.checker.context.reports import slot_names
from netdsl.checker.context.values import Tensor
from netdsl.checker.evaluate.statements import input_names, is_function
from netdsl.checker.ways import tree
from netdsl.checker.ways.change import insertion
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netdsl.source import Span


@immutable
class Use:
    """One use of a tensor; `piped` says that the place is a stage into which it flows."""

    span: Span
    piped: bool = False

    def through(self, function: str, *arguments: str) -> tuple[Span, str]:
        """The tensor passed through a function first."""
        rest = ", ".join(arguments)
        if self.piped:
            return insertion(self.span, f"{function}({rest}) -> " if rest else f"{function} -> ")
        return self.span, f"{function}({', '.join([self.span.text, *arguments])})"

    def as_text(self, text: str) -> tuple[Span, str] | None:
        """The tensor replaced by an expression, where it is one itself."""
        return None if self.piped else (self.span, text)


def of_operator(where: Where, op: Op, tensors: dict[str, Tensor], slot: str) -> Use | None:
    """The use of the tensor in a slot of an operator, in the user's text."""
    if where.module.is_std:
        return _of_standard_input(where, tensors.get(slot))
    node = _applied(where)
    if isinstance(node, s.Operation):
        return _operand(node, where.span, slot == "b")
    if isinstance(node, s.Call):
        return _argument(where, node, slot_names(op, 9), slot)
    if isinstance(node, (s.Not, s.Negative)):
        return Use(node.value.span)
    stage = tree.smallest(where.root.file, where.span, s.Stage)
    return Use(stage.span, piped=True) if stage is not None and slot in ("x", "a") else None


def of_input(where: Where, block: s.Block, name: str) -> Use | None:
    """The use of the tensor that goes to an input of a block that is called at the place."""
    file = _file_of(where)
    if file is None:
        return None
    names = input_names(block)
    stage = tree.smallest(file, where.span, s.Stage)
    calls = [n for n in tree.around(file, where.span) if isinstance(n, s.Call)]
    calls = [c for c in calls if s.callee(c).span == where.span or c.span == where.span]
    for call in calls:
        for argument in call.arguments:
            if argument.name is not None and argument.name.text == name:
                return Use(argument.value.span)
    taken = {a.name.text for c in calls for a in c.arguments if a.name is not None}
    free = [n for n in names if n not in taken]
    piped = stage is not None and isinstance(stage.core, (s.Apply, s.Scan)) and _is_core(stage, where.span)
    if piped and free and free[0] == name:
        assert stage is not None
        return Use(stage.span, piped=True)
    positional = _positional(calls, block)
    index = free.index(name) - (1 if piped else 0) if name in free else -1
    return Use(positional[index].value.span) if 0 <= index < len(positional) else None


def _positional(calls: Sequence[s.Call], block: s.Block) -> list[s.Argument]:
    """The arguments without a name that are tensors: those of the last parentheses."""
    if not calls or (len(calls) == 1 and block.statics and not is_function(block)):
        return []
    arguments = [a for a in calls[0].arguments if a.name is None]
    return arguments


def _is_core(stage: s.Stage, span: Span) -> bool:
    assert isinstance(stage.core, (s.Apply, s.Scan))
    return s.callee(stage.core.call).span == span or stage.core.call.span == span or stage.core.span == span


def _of_standard_input(where: Where, tensor: Tensor | None) -> Use | None:
    """The tensor as an input of the standard block in which an operator failed."""
    if tensor is None or where.block is None:
        return None
    for name in input_names(where.block):
        bound = (where.inside or where.names).get(name)
        if bound is not None and isinstance(bound.value, Tensor) and bound.value.value == tensor.value:
            return of_input(where, where.block, name)
    return None


def _file_of(where: Where) -> s.File | None:
    """The file that holds the place, if it is the module's own or the one that calls a standard block."""
    return where.root.file if where.span.source is where.root.source else None


def _applied(where: Where) -> s.Node | None:
    """The call or operation at the place."""
    nodes = tree.around(where.root.file, where.span)
    exact = [
        n for n in nodes if n.span == where.span and isinstance(n, (s.Call, s.Operation, s.Not, s.Negative))
    ]
    if exact:
        return exact[-1]
    inside = [n for n in nodes if isinstance(n, s.Operation) and n.span.start == where.span.start]
    return inside[-1] if inside else None


def _operand(node: s.Operation, span: Span, is_right: bool) -> Use:
    ends = [node.first.span.end, *(operand.span.end for _, operand in node.rest)]
    last = ends.index(span.end) if span.end in ends else len(ends) - 1
    right = node.rest[max(last - 1, 0)][1].span
    left = Span(span.source, node.first.span.start, ends[max(last - 1, 0)])
    return Use(right if is_right else left)


def _argument(where: Where, call: s.Call, slots: Sequence[str], slot: str) -> Use | None:
    """The argument of a call of an operator that fills a slot."""
    for argument in call.arguments:
        if argument.name is not None and argument.name.text == slot:
            return Use(argument.value.span)
    stage = tree.smallest(where.root.file, call.span, s.Stage)
    piped = stage is not None and isinstance(stage.core, s.Apply) and stage.core.call.span == call.span
    order = [f"xs[{n}]" for n in range(99)] if slot.startswith("xs[") else list(slots)
    index = order.index(slot) if slot in order else -1
    if piped and index == 0:
        assert stage is not None
        return Use(stage.span, piped=True)
    index -= 1 if piped else 0
    positional = [a for a in call.arguments if a.name is None]
    return Use(positional[index].value.span) if 0 <= index < len(positional) else None
