"""Advice that is not an error: what works today and may surprise tomorrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netdsl import syntax as s
from netdsl.diagnostics import Diagnostic, Label
from netdsl.model import Body, BodyStep, CallStep, Model, Parameter, steps_out
from netdsl.source import Span
from netdsl.work import spend


def hints(models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each block in which layers with weights have automatic names."""
    seen: set[Span] = set()
    for model in models.values():
        yield from _automatic_labels(model.body, seen)


def unused_names(file: s.File) -> Iterator[Diagnostic]:
    """One hint for each name that a block binds and never uses."""
    for item in file.items:
        if isinstance(item, s.Block):
            yield from _unused(item)


def _unused(block: s.Block) -> Iterator[Diagnostic]:
    used = {name.text for name in s.names_in((block.statics, block.inputs, block.outputs))}
    used |= {name.text for name in s.names_in((block.body, block.chain))}
    used |= {name.removesuffix("'") for name in used}
    for name, what in _bound_names(block):
        if name.text not in used and not name.text.startswith("_"):
            message = f"the {what} `{name}` of `{block.name}` is never used"
            help = "remove it, or start its name with `_`"
            yield Diagnostic("E0251", message, (Label(name.span),), help, severity="hint")


def _bound_names(block: s.Block) -> Iterator[tuple[s.Ident, str]]:
    yield from ((param.name, "static parameter") for param in block.statics)
    taken = 1 if block.chain else 0  # a short block's chain takes the first input without its name
    yield from ((param.name, "input") for param in (block.inputs or ())[taken:])
    for statement in block.body:
        if not isinstance(statement, s.Next):
            yield from ((name, _kind(statement)) for name in s.bound_names(statement))


def _kind(statement: s.Statement) -> str:
    """What a message calls the names of a statement."""
    if isinstance(statement, s.Declaration):
        return statement.kind
    return "layer" if isinstance(statement, s.Layer) else "value"


def _automatic_labels(body: Body, seen: set[Span]) -> Iterator[Diagnostic]:
    if body.span in seen or body.span.source.name.startswith("std/"):
        return
    seen.add(body.span)
    unnamed = [step for step in body.steps if _mints(step) and _is_automatic(step.label, body)]
    if unnamed:
        names = ", ".join(f"`{step.label}`" for step in unnamed[:4]) + (", ..." if len(unnamed) > 4 else "")
        several = f"{len(unnamed)} layers with weights have automatic names"
        count = several if len(unnamed) > 1 else "a layer with weights has an automatic name"
        help = "label them (`conv1: Conv(..)`), so that saved weights still fit after an edit"
        labels = (Label(unnamed[0].span, f"`{unnamed[0].label}`"),)
        yield Diagnostic("E0250", f"{count}: {names}", labels, help, severity="hint")
    for step in body.steps:
        if isinstance(step, CallStep):
            yield from _automatic_labels(step.body, seen)


def _is_automatic(label: str, body: Body) -> bool:
    """Whether a label, or the label of a loop around it, is automatic."""
    parts = label.split(".")
    spend(len(parts) * len(label) / 1000)
    return any(".".join(parts[: n + 1]) in body.automatic for n in range(len(parts)))


def _mints(step: BodyStep) -> bool:
    """Whether a step creates weights, itself or in a block below it."""
    if isinstance(step, CallStep):
        return any(steps_out(label) == 0 for label in step.body.parameters)
    return isinstance(step.op, Parameter)
