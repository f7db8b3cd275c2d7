"""Losses, metrics and settings that are named as in another framework: reported, and read as ours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from netdsl import syntax as s
from netdsl.arrivals.losses import loss_options
from netdsl.arrivals.training import SETTING_HELPS, loss_of, metric_of, takes_probabilities
from netdsl.arrivals.translate import text_of
from netdsl.arrivals.words import FRAMEWORKS
from netdsl.checker.context.scope import Scope
from netdsl.checker.evaluate.expressions import lookup
from netdsl.checker.evaluate.python_words import foreign_module
from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.parsing.suggested import expression_of
from netdsl.recipes import METRICS
from netdsl.source import Span


def translated(scope: Scope, section: s.Train, tensors: Sequence[str]) -> s.Train:
    """The section with our losses and metrics for `"mse"`, `nn.MSELoss()` and `f1_score(a, b)`.

    Args:
        tensors: The names of the model's output and of the section's input, where each is the only one.
    """
    own = {n.text for line in section.lines if isinstance(line, (s.Bind, s.Setting)) for n in _bound(line)}
    return replace(section, lines=tuple(_line(scope, line, tensors, own) for line in section.lines))


def _bound(line: s.Bind | s.Setting) -> tuple[s.Ident, ...]:
    return line.names if isinstance(line, s.Bind) else (line.name,)


def _line(scope: Scope, line: s.TrainLine, tensors: Sequence[str], own: Collection[str]) -> s.TrainLine:
    if isinstance(line, s.Metric):
        return replace(line, value=_metric(scope, line.value, tensors, own))
    if isinstance(line, s.Setting) and line.name.text == "loss":
        ours = loss_of(_name(scope, line.value, own))
        return replace(line, value=_read(scope, line.value, ours, "loss", tensors))
    return line


def _metric(scope: Scope, expr: s.Expr, tensors: Sequence[str], own: Collection[str]) -> s.Expr:
    name = _name(scope, expr, own)
    ours = metric_of(name)
    if isinstance(expr, s.Call) and expr.arguments and name not in METRICS:
        inner = ", ".join(a.span.text for a in expr.arguments)
        return _report(scope, expr, f"{ours}({inner})", "metric") if ours is not None else expr
    return _read(scope, expr, ours, "metric", tensors)


def _name(scope: Scope, expr: s.Expr, own: Collection[str]) -> str:
    """The name that a text or an unknown name gives; empty for what is known here."""
    if isinstance(expr, s.Text):
        return expr.value
    called = s.callee(expr) if isinstance(expr, s.Call) else expr
    if isinstance(called, s.Attribute) and foreign_module(scope, called) is not None:
        return called.name.text
    if not isinstance(called, s.Name) or called.text in own:
        return ""
    return called.text if not isinstance(expr, s.Call) or lookup(scope, called.text) is None else ""


def _read(scope: Scope, expr: s.Expr, ours: str | None, what: str, tensors: Sequence[str]) -> s.Expr:
    arguments = expr.arguments if isinstance(expr, s.Call) else ()
    is_applied = any(a.name is None for a in arguments) or (bool(arguments) and what != "loss")
    if ours is None or is_applied or not tensors:
        return expr
    named = {a.name.text: text_of(a.value) for a in arguments if a.name is not None}
    options, notes = loss_options(ours, {w: text for w, text in named.items() if w != "from_logits"})
    theirs = s.callee(expr).span.text.rpartition(".")[2]
    if arguments and takes_probabilities(theirs) and named.get("from_logits") != "true":
        notes.insert(0, "it takes logits: leave out a `softmax` or `sigmoid` before it")
    return _report(scope, expr, f"{ours}({', '.join([*tensors, *options])})", what, notes)


def _report(scope: Scope, expr: s.Expr, text: str, what: str, notes: Sequence[str] = ()) -> s.Expr:
    at = s.callee(expr).span if isinstance(expr, s.Call) else expr.span
    source = FRAMEWORKS.get(at.text.partition(".")[0], "")
    message = f"`{at.text}` is not a {what} here"
    if isinstance(expr, s.Text):
        message = f"a {what} is an expression, not the name of one: {at.text}"
    elif source:
        message = f"`{at.text}` is not known here: it comes from {source}"
    edits = (replacement(expr.span, text, is_certain=False),)
    help = f"write `{text}`" + (f": {'; '.join(notes)}" if notes else "")
    found = Diagnostic("E0219", message, (Label(at),), help, fixes=edits)
    scope.checker.report([found])
    return expression_of(text, expr.span) or expr


def setting_change(line: s.Setting) -> tuple[str, list[tuple[Span, str]]] | None:
    """What to do about a setting of another framework: the help, and the line to write, or none."""
    help = SETTING_HELPS.get(line.name.text)
    if help is None:
        return None
    help = help.replace("{value}", line.value.span.text)
    written = help.removeprefix("write `").removesuffix("`") if help.startswith("write `") else ""
    return help, [(line.span, written)]
