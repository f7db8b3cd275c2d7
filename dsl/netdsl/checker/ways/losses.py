"""Changes for a loss or a metric of the wrong tensors: swapped, one-hot, with the classes on another axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netdsl import syntax as s
from netdsl.checker.ways import tree
from netdsl.checker.ways.change import Change, change
from netdsl.recipes import LOSSES, METRICS
from netdsl.source import Span

OF_CLASSES = frozenset("cross_entropy nll accuracy top_k perplexity f1 confusion_matrix".split())
"""Losses and metrics whose labels are class indices."""
_OF_NUMBERS = frozenset("mse l1 huber binary_cross_entropy".split())


def changes(file: s.File, place: Span) -> Iterator[Change]:
    """Changes of the call of a loss or a metric in a `train` section that a place is in."""
    section = tree.smallest(file, place, s.Train)
    calls = [n for n in tree.around(file, place) if isinstance(n, s.Call)] if section is not None else []
    call = next((c for c in calls if s.callee(c).span.text in {*LOSSES, *METRICS}), None)
    if call is None or section is None or len(call.arguments) < 2:
        return
    first, second = call.arguments[0].value, call.arguments[1].value
    types = _declared(file, section)
    scores, label = types.get(first.span.text), types.get(second.span.text)
    own = {line.name.text for line in section.lines if isinstance(line, s.TrainInput)}
    function = s.callee(call).span.text
    if first.span.text in own and second.span.text not in own:
        swap = ((first.span, second.span.text), (second.span, first.span.text))
        yield _worded(change(*swap, why="as the output of the model comes first"), function, first, second)
    if scores is None or label is None:
        return
    if function in OF_CLASSES:
        yield from _of_classes(function, first, second, scores, label)
    if function in _OF_NUMBERS:
        yield from _as_classes(call, second, scores, label, section)


def _declared(file: s.File, section: s.Train) -> Mapping[str, s.Index]:
    """The types of the outputs of the models and of the inputs, by name."""
    types: dict[str, s.Expr | None] = {}
    for model in file.of("model"):
        types |= {o.name.text: o.type for o in model.outputs or () if o.name is not None}
        types |= {p.name.text: p.type for p in model.inputs or ()}
    types |= {line.name.text: line.type for line in section.lines if isinstance(line, s.TrainInput)}
    return {name: type_ for name, type_ in types.items() if isinstance(type_, s.Index)}


def _of_classes(
    function: str, first: s.Expr, second: s.Expr, scores: s.Index, label: s.Index
) -> Iterator[Change]:
    sizes, labels = _sizes(scores), _sizes(label)
    is_int = label.value.span.text[0] in "iub"
    if len(sizes) == len(labels) and labels[:-1] == sizes[:-1] and labels[-1] == "1":
        text = f"squeeze({second.span.text}, -1)"
        why = "which leaves one class for each row"
        yield _worded(change((second.span, text), why=why), function, first, second, scores, label)
    if len(sizes) == len(labels) and is_int:
        text = f"cast({second.span.text}, {scores.value.span.text})"
        why = "which takes one-hot labels as the share of each class"
        yield _worded(change((second.span, text), why=why), function, first, second, scores, label)
    if len(labels) == len(sizes) - 1 > 1 and labels[1:] == sizes[2:] and labels[0] == sizes[0]:
        order = [0, *range(2, len(sizes)), 1]
        text = f"transpose({first.span.text}, {order})"
        why = "which has the classes on the last axis"
        yield _worded(change((first.span, text), why=why), function, first, second, scores, label)


def _as_classes(
    call: s.Call, second: s.Expr, scores: s.Index, label: s.Index, section: s.Train
) -> Iterator[Change]:
    """A loss of numbers that gets class indices, as one of classes."""
    if _sizes(label) != _sizes(scores)[:-1]:
        return
    at = s.callee(call).span
    why = "whose labels are classes"
    yield change((at, "cross_entropy"), why=why)
    own = [line for line in section.lines if isinstance(line, s.TrainInput) and line.type is label]
    if own:
        yield change((at, "cross_entropy"), (label.value.span, "i32"), why=why)


def _worded(
    one: Change,
    function: str,
    first: s.Expr,
    second: s.Expr,
    scores: s.Index | None = None,
    label: s.Index | None = None,
) -> Change:
    """The change with a message in the words of the section, not of the loss's own definition."""
    a, b = first.span.text, second.span.text
    message = f"`{function}` takes an output and then its label, but gets `{a}` and then `{b}`"
    if scores is not None and label is not None:
        shown = f"`{a}` is {scores.span.text} and `{b}` is {label.span.text}"
        wanted = f"classes on the last axis of `{a}`, and class indices in `{b}`"
        message = f"`{function}` needs {wanted}, but {shown}"
    declared = tuple(type_.span for type_ in (scores, label) if type_ is not None)
    return Change(one.replacements, one.why, one.help, message, declared=declared)


def _sizes(type_: s.Index) -> Sequence[str]:
    return [element.span.text for element in type_.elements]
