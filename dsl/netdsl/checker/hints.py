"""Advice that is no error: what works today and may surprise tomorrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netdsl.diagnostics import Diagnostic, Label
from netdsl.model import Body, CallStep, Model, OpStep, Parameter
from netdsl.source import Span


def hints(models: Mapping[str, Model]) -> Iterator[Diagnostic]:
    """One hint for each block in which layers with weights have automatic names."""
    seen: set[Span] = set()
    for model in models.values():
        yield from _automatic_labels(model.body, seen)


def _automatic_labels(body: Body, seen: set[Span]) -> Iterator[Diagnostic]:
    if body.span in seen or body.span.source.name.startswith("std/"):
        return
    seen.add(body.span)
    calls = [step for step in body.steps if isinstance(step, CallStep)]
    unnamed = [c for c in calls if _is_automatic(c.label, body) and has_parameters(c.body)]
    if unnamed:
        names = ", ".join(f"`{c.label}`" for c in unnamed[:4]) + (", ..." if len(unnamed) > 4 else "")
        count = (
            f"{len(unnamed)} layers with weights have automatic names"
            if len(unnamed) > 1
            else ("a layer with weights has an automatic name")
        )
        help = "label them (`conv1: Conv(..)`), so that saved weights still fit after an edit"
        labels = tuple(Label(c.span, f"`{c.label}`") for c in unnamed[:1])
        yield Diagnostic("E0250", f"{count}: {names}", labels, help, severity="hint")
    for call in calls:
        yield from _automatic_labels(call.body, seen)


def _is_automatic(label: str, body: Body) -> bool:
    """Whether a label, or the label of a loop around it, was made up."""
    parts = label.split(".")
    return any(".".join(parts[: n + 1]) in body.automatic for n in range(len(parts)))


def has_parameters(body: Body) -> bool:
    """Whether a body, or one it calls, mints weights."""
    return any(
        has_parameters(step.body)
        if isinstance(step, CallStep)
        else isinstance(step, OpStep) and isinstance(step.op, Parameter)
        for step in body.steps
    )
