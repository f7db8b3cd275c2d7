"""Patterns over label paths, as `over "D.*"` gives them: `*` matches any text, dots included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from netdsl import syntax as s
from netdsl.checker.context.scope import Scope
from netdsl.diagnostics import suggest
from netdsl.model import Body, CallStep, below
from netdsl.work import spend


def check_patterns(scope: Scope, body: Body, lines: Mapping[str, Sequence[s.Text]]) -> None:
    """Report every pattern that matches no weight, or for `recompute` no block (E0226)."""
    weights = list(body.parameters)
    for word, patterns in lines.items():
        labels = _blocks(body) if word == "recompute" else weights
        for pattern in patterns:
            with scope.recover():
                if not any(matches(pattern.value, label) for label in labels):
                    what = "block" if word == "recompute" else "weight"
                    message = f'"{pattern.value}" matches no {what}'
                    scope.fail("E0226", message, pattern.span, help=_near(pattern.value, labels))


def matches(pattern: str, label: str) -> bool:
    """Whether a label is of the form of a pattern: `*` is any text, and `{i}` a number.

    What is between two stars is taken at its first place, and the work grows with the label's length only.
    """
    spend(1 + len(label) / 20)
    if len(pattern) - pattern.count("*") > len(label) and "{" not in pattern:
        return False
    first, *others = _segments(pattern)
    if not others:
        return first.fullmatch(label) is not None
    start = first.match(label)
    at = start.end() if start else -1
    for segment in others[:-1]:
        place = segment.search(label, at) if at >= 0 else None
        at = place.end() if place else -1
    return at >= 0 and others[-1].search(label, at) is not None


@lru_cache(maxsize=256)
def _segments(pattern: str) -> tuple[re.Pattern[str], ...]:
    """What is between the stars; the last of several segments ends the label."""
    texts = re.split(r"\*+", pattern)
    parts = [re.split(r"(\{[^{}]*\})", text) for text in texts]
    forms = ["".join(r"\d+?" if p[:1] == "{" else re.escape(p) for p in part) for part in parts]
    ends = [""] * (len(forms) - 1) + [r"\Z"]
    return tuple(re.compile(form + end, re.S) for form, end in zip(forms, ends, strict=True))


def _near(pattern: str, labels: Sequence[str]) -> str:
    below = next((label for label in labels if label.startswith(f"{pattern}.")), None)
    if below is not None:
        return f'write "{pattern}.*" for all that is below it'
    for model in dict.fromkeys(label.partition(".")[0] for label in labels):
        if any(matches(f"{model}.{pattern}", label) for label in labels):
            return f'write "{model}.{pattern}": labels start with the name of their model here'
    listed = ", ".join(labels[:4]) + (", .." if len(labels) > 4 else "")
    return suggest(pattern, labels) or (f"there are {listed}" if labels else "there are none")


def _blocks(body: Body) -> list[str]:
    """The labels of all blocks of the models."""
    calls = [step for step in body.steps if isinstance(step, CallStep) and step.body.kind == "model"]
    labels = (below(step.label, label) for step in calls for label in ("", *_block_labels(step.body)))
    return [label for label in dict.fromkeys(labels) if label]


def _block_labels(body: Body) -> Iterator[str]:
    for step in body.steps:
        if isinstance(step, CallStep):
            for label in ("", *_block_labels(step.body)):
                spend(2 + len(label) / 20)
                yield below(step.label, label)
