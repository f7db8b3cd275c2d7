"""Ids where a layer needs vectors, which a table of them holds."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace

from netdsl.checker.context.causes import Edited
from netdsl.checker.context.reports import Site, diagnostic, outer_path, user_call
from netdsl.checker.context.values import Tensor
from netdsl.diagnostics import Diagnostic
from netdsl.source import Span

_TABLE = "Embedding(1000, 64)"
_APPLIED = re.compile(r"(.*)\((\w+)\)", re.DOTALL)
_LABEL = re.compile(r"\w+[ \t]*:[ \t]*$")


def needs_vectors(site: Site) -> Diagnostic | None:
    """E0303 for integers in a standard block whose parameters follow an axis that they leave free."""
    call = user_call(site)
    inputs = [b.value for b in site.names.values() if b.kind == "input" and isinstance(b.value, Tensor)]
    types = [value.type for value in inputs if isinstance(value, Tensor)]
    if call is None or not site.module.is_std or len(types) != 1 or not types[0].dtype.is_int:
        return None
    block, outer = site.block.name.text if site.block else "this", outer_path(site)
    inside = f" inside `{outer}`" if outer else ""
    message = f"`{block}`{inside} needs floating-point input, but is given {types[0]}"
    shown = f"{call.inputs} here" if call.inputs else ""
    help, edit = looked_up(call.span, call.names)
    wrong = diagnostic(site, "E0303", message, call.span, shown, help=help, path="")
    return replace(wrong, cause=Edited([(help, [edit])]))


def looked_up(callee: Span, names: Container[str]) -> tuple[str, tuple[Span, str]]:
    """How a message says that ids go through a table before a call, and the edit."""
    source = callee.source
    span = source.span(callee.start, _end_of_call(source.text, callee.end))
    text, applied = span.text, _APPLIED.fullmatch(span.text)
    if applied is not None and applied[2] in names:
        text = f"{applied[1]}({_TABLE}({applied[2]}))"
        edit = (span, text)
    else:
        line = source.text.rfind("\n", 0, span.start) + 1
        label = _LABEL.search(source.text[line : span.start])
        start = line + label.start() if label is not None else span.start
        text, edit = f"{_TABLE} -> {text}", (source.span(start, start), f"{_TABLE} -> ")
    return f"look ids up in an embedding table: write `{text}`, where 1000 is the number of ids", edit


def _end_of_call(text: str, end: int) -> int:
    """The end of the parentheses after the name of a call."""
    depth = 0
    for n in range(end, len(text)):
        depth += (text[n] == "(") - (text[n] == ")")
        if depth < 0 or (depth == 0 and text[n] != ")"):
            return n
        end = n + 1 if depth == 0 else end
    return end
