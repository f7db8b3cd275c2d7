"""Reporting what a call of another framework is here."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.arrivals.translate import Saying
from netdsl.arrivals.words import FRAMEWORKS
from netdsl.checker.context.scope import Scope
from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.source import Span


def report(scope: Scope, expr: s.Expr, message: str, said: Saying, at: Span, code: str = "E0201") -> None:
    notes = f": {'; '.join(said.notes)}" if said.notes else ""
    edits: tuple[Edit, ...] = (replacement(expr.span, said.text, is_certain=said.is_exact),)
    help = f"write `{said.text}`{notes}"
    found = Diagnostic(code, message, (Label(at),), help, scope.path, fixes=edits)
    scope.checker.report([found])


def report_call(scope: Scope, expr: s.Expr, at: Span, said: Saying, is_foreign: bool) -> None:
    callee = s.callee(expr).span.text
    root = callee.partition(".")[0] if "." in callee else ""
    message = f"`{callee}` is not known here: it comes from {FRAMEWORKS.get(root, said.source)}"
    if not is_foreign:
        message = f"`{expr.span.text}` is written as in {said.source}"
    if not said.source:
        layer = said.text.partition("(")[0]
        message = f"`{callee}` is the operator, which is given a weight; the layer that has one is `{layer}`"
    report(scope, expr, message, said, at, "E0201" if is_foreign else "E0406")
