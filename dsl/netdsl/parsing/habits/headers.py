"""Headers of models and blocks as other languages write them."""

from __future__ import annotations

from collections.abc import Callable

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.parsing.habits.extents import BODIES, end_of_indented, span_between, text_of
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place


def missing_arrow(place: Place) -> Diagnostic | None:
    """`model Net(x: f32[B, 2]) y: f32[B, 2] {`, and the same with `:` or `=>` in the place of the arrow."""
    token, before = place.token, place.previous
    if token is None or before is None or place.tokens[0].type not in BODIES or place.opener is not None:
        return None
    is_other = token.type in ("COLON", "FATARROW")
    if "ARROW" not in place.accepts or not (is_other or (before.type == "RPAR" and token.type == "NAME")):
        return None
    first = place.following if is_other else token
    if first is None or first.line != token.line or first.type not in ("NAME", "LSQB", "LPAR"):
        return None
    at = span_of(place.source, token)
    line = place.source.text[at.end if is_other else at.start :].partition("\n")[0]
    outputs = line.partition("{")[0].strip()
    space = "" if place.source.text[at.start - 1].isspace() else " "
    edit = replacement(at, f"{space}->") if is_other else replacement(at, f"-> {token}")
    message = f"a `->` is missing between `{before}` and the outputs"
    if is_other:
        message = f"`{token}` does not come before the outputs"
    return Diagnostic("E0107", message, (Label(at),), f"write `-> {outputs}`", fixes=(edit,))


def sizes_in_angles(place: Place) -> Diagnostic | None:
    """`x: f32<B, 2>`."""
    at = next(
        (n for n in reversed(range(min(place.index + 1, len(place.tokens)))) if str(place.tokens[n]) == "<"),
        None,
    )
    if at is None or at < 2 or place.tokens[at - 2].type not in ("COLON", "ARROW"):
        return None
    if place.tokens[at - 1].type != "NAME" or place.tokens[0].type not in BODIES:
        return None
    line = place.tokens[at].line
    end = next((n for n in range(at, len(place.tokens)) if str(place.tokens[n]) in (">", ">=")), None)
    if end is None or place.tokens[end].line != line or str(place.tokens[end]) != ">":
        return None
    span = span_between(place, place.tokens[at - 1 : end + 1])
    sizes = text_of(place, place.tokens[at + 1 : end])
    edits = (
        replacement(span_of(place.source, place.tokens[at]), "["),
        replacement(span_of(place.source, place.tokens[end]), "]"),
    )
    text = f"{place.tokens[at - 1]}[{sizes}]"
    message = "sizes are written in square brackets"
    return Diagnostic("E0107", message, (Label(span),), f"write `{text}`", fixes=edits)


def colon_for_brace(place: Place) -> Diagnostic | None:
    """`block Body(width):` with the lines of its body after it."""
    token = place.token
    if token is None or token.type != "COLON" or "LBRACE" not in place.accepts or "NAME" in place.accepts:
        return None
    start, end = place.tokens[0].start_pos, place.source.text.find("\n", token.end_pos)
    message, at = "`:` does not start a body", span_of(place.source, token)
    if end < 0 or place.source.text[token.end_pos : end].partition("#")[0].strip():
        return Diagnostic("E0107", message, (Label(at),), "bodies are written in braces: `{ ... }`")
    end = end_of_indented(place.source, start, end)
    edits = (replacement(at, " {"), replacement(place.source.span(end, end), "\n}"))
    head = place.source.text[start : at.start]
    shown = f"`{head} {{`" if "\n" not in head else "`{` in its place"
    line, _ = place.source.position(end)
    help = f"bodies are written in braces: write {shown}, and `}}` on a line after line {line}"
    return Diagnostic("E0107", message, (Label(at),), help, fixes=edits)


HEADER_HABITS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    missing_arrow,
    sizes_in_angles,
    colon_for_brace,
)
