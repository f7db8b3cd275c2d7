"""`True`, `False` and `None` of Python."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Static
from netdsl.diagnostics import suggest

PYTHON_WORDS = {"True": True, "False": False, "None": None}


def python_word(scope: Scope, expr: s.Name) -> Static:
    """`True` of Python, which is reported, and read as `true`."""
    with scope.recover():
        help = suggest(expr.text, ["true", "false", "none"])
        scope.fail("E0201", f"`{expr.text}` is not known here", expr.span, help=help)
    return PYTHON_WORDS[expr.text]
