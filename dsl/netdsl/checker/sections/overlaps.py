"""Sections that train the weights of one another: one without `over` beside one that names its weights."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.checker.sections.patterns import matches
from netdsl.diagnostics import Diagnostic, Label, NetError, error
from netdsl.flatten import flatten
from netdsl.model import Parameter, Phase
from netdsl.ops.elementwise.stop_gradient import StopGradient
from netdsl.source import Span


def overlaps(phases: Sequence[Phase]) -> list[Diagnostic]:
    """One error for each section without `over` that also trains weights which another names (E0228)."""
    if len(phases) < 2 or all(phase.over for phase in phases):
        return []
    trained = {phase.name: _trained(phase) for phase in phases}
    first: dict[str, int] = {}
    """The first section that names a weight in its `over`."""
    for number, phase in enumerate(phases):
        for label in trained[phase.name] if phase.over else ():
            first.setdefault(label, number)
    found: list[Diagnostic] = []
    for phase in phases:
        mine = trained[phase.name]
        others = [first[label] for label in mine if label in first]
        if others and not phase.over:
            other = phases[min(others)]
            theirs = set(trained[other.name])
            both = [label for label in mine if label in theirs]
            own = [label for label in mine if label not in theirs]
            found += _overlap(phase, other, both, own).diagnostics
    return found


def _overlap(phase: Phase, other: Phase, both: Sequence[str], own: Sequence[str]) -> NetError:
    more = f" and {len(both) - 1} more" if len(both) > 1 else ""
    weights = f"`{both[0]}`{more}, which `train {other.name}` trains"
    message = f"`train {phase.name}` has no `over`, so it also trains {weights}"
    lines = [f'over "{model}.*"' for model in dict.fromkeys(label.partition(".")[0] for label in own)]
    both_too = [f'over "{model}.*"' for model in dict.fromkeys(label.partition(".")[0] for label in both)]
    first = f"write `{'`, `'.join(lines)}` in it" if lines else "let it train other weights"
    help = f"{first}; to train them in both, write `{'`, `'.join(both_too)}`"
    also = [Label(_word(other), "this section trains them")]
    return error("E0228", message, _word(phase), also=also, help=help)


def _word(phase: Phase) -> Span:
    """The word `train` of a section."""
    return Span(phase.span.source, phase.span.start, phase.span.start + len("train"))


def _trained(phase: Phase) -> list[str]:
    """The weights that a gradient of the loss reaches, and that the section trains."""
    loss = next((n for n, slot in enumerate(phase.model.body.outputs) if slot.name == "loss"), None)
    if loss is None:
        return []  # it has an error, which is reported
    flat = flatten(phase.model.body)
    makers = {value: step for step in flat.steps for value in range(step.value, step.value + len(step.types))}
    waiting, seen = [flat.outputs[loss]], set[int]()
    labels: list[str] = []
    while waiting:
        value = waiting.pop()
        step = makers.get(value)
        if step is None or value in seen:
            continue
        seen.add(value)
        if isinstance(step.op, Parameter) and step.op.role == "param":
            labels.append(step.label)
        elif not isinstance(step.op, StopGradient) and not step.op.no_gradient:
            waiting += [number for number in step.inputs if number is not None]
    return sorted(
        label
        for label in set(labels)
        if (not phase.over or any(matches(pattern, label) for pattern in phase.over))
        and not any(matches(pattern, label) for pattern in phase.freeze)
    )
