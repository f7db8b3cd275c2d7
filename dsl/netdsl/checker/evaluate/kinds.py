"""The kinds of static values that parameters and config entries declare."""

from __future__ import annotations

import re

from netdsl import syntax as s
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import (
    BlockValue,
    Evaluated,
    LayerValue,
    OpValue,
    describe,
    is_integer,
    is_number,
)
from netdsl.diagnostics import suggest
from netdsl.dims import Dim
from netdsl.edits import Edit, replacement
from netdsl.model import Init
from netdsl.ops.contract.base import REGISTRY
from netdsl.source import Span
from netdsl.types import DType


def check_kind(scope: Scope, what: str, type_: s.Expr, value: Evaluated, span: Span) -> None:
    """Raise E0403 if a static value is not of the kind that a parameter or a config entry declares."""
    kind = type_.text if isinstance(type_, s.Name) else ""
    tests = {
        "int": isinstance(value, (int, Dim)) and not isinstance(value, bool),
        "float": is_number(value),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "list": isinstance(value, tuple),
        "dtype": isinstance(value, DType),
        "block": isinstance(value, (BlockValue, LayerValue)),
        "function": isinstance(value, (OpValue, BlockValue, LayerValue)),
        "init": isinstance(value, Init),
    }
    if kind not in tests:
        help = suggest(kind, tests) or f"static kinds are {', '.join(tests)}"
        scope.fail("E0413", f"`{type_.span.text}` is not a kind of static value", type_.span, help=help)
    if not tests[kind]:
        edit = _as_kind(kind, value, span, type_.span)
        word = "declare it" if edit is not None and edit.span == type_.span else "write"
        way_out = None if edit is None else f"{word} `{edit.text}`"
        message = f"{what} is declared {kind}, but got {describe(value)}"
        scope.fail("E0403", message, span, help=way_out, fixes=(edit,) if edit else ())


def _as_kind(kind: str, value: Evaluated, span: Span, declared: Span) -> Edit | None:
    """The value of another kind that a static value means, or the kind that it has."""
    text = value.strip() if isinstance(value, str) else ""
    if kind == "int" and isinstance(value, float) and span.text.count("/") == 1:
        return replacement(span, span.text.replace("/", "//"), is_certain=False)
    if kind == "int" and isinstance(value, float) and value.is_integer() and _is_number(span.text):
        return replacement(span, str(int(value)))
    if (kind == "int" and text.isdigit()) or (kind == "float" and _is_number(text)):
        return replacement(span, text)
    if kind == "bool" and is_integer(value) and value in (0, 1):
        return replacement(span, "true" if value else "false")
    if kind == "bool" and text.lower() in ("true", "false", "yes", "no"):
        return replacement(span, "true" if text.lower() in ("true", "yes") else "false")
    if kind == "str" and isinstance(value, (OpValue, BlockValue)):
        return replacement(declared, "function", is_certain=False)
    if kind in ("function", "block") and text in REGISTRY:
        return replacement(span, text)
    if kind == "int" and isinstance(value, float) and _is_number(span.text):
        return replacement(declared, "float", is_certain=False)
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d*)?(e-?\d+)?", text) is not None
