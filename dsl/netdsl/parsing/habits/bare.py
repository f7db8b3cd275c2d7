"""Statements that begin with a value: pipelines that no name takes, layers on lines of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import replacement
from netdsl.parsing.habits.extents import (
    BODIES,
    NEAR,
    instead,
    span_between,
    split_at_commas,
    statement,
    text_of,
)
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place
from netdsl.parsing.token import Token
from netdsl.source import Span

_LAYER_LINE = re.compile(r"[ \t]*((?:\w+:[ \t]*)?[A-Za-z_][\w.]*(?:\(.*\))?)[ \t]*(?:#.*)?")
_PORT_LINE = re.compile(r"^[ \t]*(input|output)s?[ \t]+([A-Za-z_]\w*[ \t]*:[^\n#{}]*[^\s#{}])", re.MULTILINE)
_TENSOR_INPUT = re.compile(r":[ \t]*\w*[ \t]*\[")
_BODY_END = re.compile(r"(?:\s|#[^\n]*\n)*\}")
_HEAD = re.compile(r"^(model|block|cell)[ \t]+(\w+)", re.MULTILINE)
_NAME_LAST = "a pipeline ends with a stage, not with the name of its result"
_ALONE = "a layer on a line of its own is applied to nothing"


def unnamed_pipeline(place: Place) -> Diagnostic | None:
    """`x -> Linear(2) -> y`, `x -> Linear(2)`: a pipeline as a statement."""
    if not _is_first_word(place) or place.token is None or place.token.type != "ARROW":
        return None
    tokens = statement(place, place.index - 1)
    span, last = span_between(place, tokens), tokens[-1]
    name = str(last)
    outputs = _outputs(place.tokens)
    if len(tokens) > 3 and tokens[-2].type == "ARROW" and _is_plain_name(last):
        shorter = text_of(place, tokens[:-2])
        if [name] == outputs and _ends_body(place):
            return _say(span, f"return {shorter}", _NAME_LAST)
        if name in outputs or _is_used_below(span, name):
            end = f"return {', '.join(outputs)}" if name in outputs and _ends_body(place) else ""
            return _name_first(span, f"{name} = {shorter}", end)
    message = "the result of this pipeline has no name"
    if _ends_body(place):
        return _say(span, f"return {span.text}", message)
    help = f"write `h = {_in_one_line(span.text)}`, and go on with `h`"
    return Diagnostic("E0107", message, (Label(span),), help)


def _name_first(span: Span, text: str, end: str) -> Diagnostic:
    """`end` is the `return` that is missing too, after the last pipeline of a body."""
    found = _say(span, text, "the name of a result is written in front of its pipeline")
    if not end:
        return found
    line = span.source.text[span.source.text.rfind("\n", 0, span.start) + 1 : span.start]
    edits = (replacement(span, f"{text}\n{line}{end}"),)
    return replace(found, help=f"{found.help}, and `{end}` on the next line", fixes=edits)


def without_inputs(place: Place) -> Diagnostic | None:
    """`model M { ... }`."""
    token = place.token
    if token is None or token.type != "LBRACE" or place.index != 2 or place.tokens[0].type != "MODEL":
        return None
    help = f"write `model {place.previous}(x: f32[B, 8]) -> y: f32[B, 2] {{ ... }}`, with your sizes"
    return place.report("E0107", f"the inputs of `{place.previous}` are missing", help=help)


def layer_line(place: Place) -> Diagnostic | None:
    """`Linear(16)`, `fc1: Linear(16)` or `relu` alone on a line, as in a list of layers."""
    if not _is_first_word(place) or place.previous is None:
        return None
    tokens = statement(place, place.index - 1)
    span = span_between(place, tokens)
    if not _LAYER_LINE.fullmatch(span.text) or not _is_layer(tokens):
        return None
    stages, end = _layers_from(span)
    chain = " -> ".join(stages)
    text, written = f"return {first_input(place.tokens)} -> {chain}", span.source.span(span.start, end)
    closing = _BODY_END.match(span.source.text, end)
    head, opener = _head(place)
    if closing and place.tokens[0].type == "BLOCK" and not _TENSOR_INPUT.search(head):
        body = opener.to(span.source.span(end, closing.end()))
        return instead(_ALONE, span, body, f"= {chain}", f"write `{head} = {chain}`")
    edits = (replacement(written, text),)
    return Diagnostic("E0107", _ALONE, (Label(span),), f"write `{text}`", fixes=edits)


def ports_in_body(place: Place) -> Diagnostic | None:
    """`input x: f32[B, 8]` as a statement of a model."""
    token, word = place.token, place.previous
    is_input = token is not None and token.type == "INPUT" and {"RETURN", "LET"} <= place.accepts
    is_port = is_input or (_is_first_word(place) and word in ("input", "inputs", "output", "outputs"))
    at = token if is_input else word
    if not is_port or at is None or place.tokens[0].type not in BODIES:
        return None
    text, start = place.source.text, place.source.text.rfind("\n", 0, at.start_pos) + 1
    end = text.find("\n}", start, start + NEAR)
    ports = list(_PORT_LINE.finditer(text, start, end if end >= 0 else start + NEAR))
    inputs = ", ".join(port[2] for port in ports if port[1] == "input") or "x: f32[B, 8]"
    outputs = [port[2] for port in ports if port[1] == "output"] or ["y: f32[B, 2]"]
    listed = outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"
    heads = list(_HEAD.finditer(text, max(0, start - NEAR), start))
    head, name = heads[-1].groups() if heads else ("model", "Net")
    line = f"{head} {name}({inputs}) -> {listed}"
    message = f"the inputs and outputs of a {head} are in its first line"
    edits = [replacement(place.source.span(port.start(), port.end() + 1), "") for port in ports]
    if heads and text[heads[-1].end() : start].strip() == "{":
        edits.append(replacement(place.source.span(heads[-1].start(), heads[-1].end()), line))
    label = (Label(span_of(place.source, at)),)
    return Diagnostic("E0107", message, label, f"write `{line} {{ ... }}`", fixes=tuple(edits))


def undeclared_weight(place: Place) -> Diagnostic | None:
    """`w: f32[8, 2]` as a statement."""
    token, name, after = place.token, place.previous, place.following
    if not _is_first_word(place) or token is None or name is None or after is None:
        return None
    if token.type != "COLON" or not re.fullmatch(r"(f|bf|i|u)\d+|bool|\[", str(after)):
        return None
    span = span_between(place, statement(place, place.index - 1))
    return _say(span, f"param {span.text}", f"nothing says what `{name}` is: a weight is a `param`")


def setting_with_colon(place: Place) -> Diagnostic | None:
    """`epochs: 5` in `train`."""
    token = place.token
    if token is None or token.type != "COLON" or not place.starts_statement:
        return None
    if "EQUAL" not in place.accepts or place.tokens[0].type != "TRAIN":
        return None
    value = (
        span_between(place, statement(place, place.index - 1)[2:]).text
        if place.following is not None
        else "..."
    )
    help = f"write `{place.previous} = {value}`"
    return place.report("E0107", "a setting is given with `=`", help=help, write=" =")


def list_of_stages(place: Place) -> Diagnostic | None:
    """`x -> [Linear(16), relu] * 3`."""
    if place.previous is None or place.previous.type != "RSQB" or place.accepts != {"FATARROW"}:
        return None
    start = _opening(place.tokens, place.index - 1)
    if start is None:
        return None
    inside = place.tokens[start + 1 : place.index - 1]
    stages = [text_of(place, part) for part in split_at_commas(inside) if part]
    span = span_between(place, place.tokens[start : place.index])
    text = f"{{ {' -> '.join(stages)} }}"
    return _say(span, text, "stages are grouped in braces, and follow each other with `->`")


def without_echoes_of_layers(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The findings of one item; of layers on lines of their own, the first alone."""
    echoes = [one for one in findings if one.message == _ALONE][1:]
    ports = [one for one in findings if one.message.endswith("are in its first line")][1:]
    return [one for one in findings if not any(one is echo for echo in (*echoes, *ports))]


def _say(span: Span, text: str, message: str) -> Diagnostic:
    return instead(message, span, span, text, f"write `{_in_one_line(text)}`")


def _in_one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text)


def _is_first_word(place: Place) -> bool:
    """Whether the word before is the first of a statement of a body, and names may follow it."""
    previous = place.previous
    if previous is None or previous.type != "NAME" or not place.starts_statement:
        return False
    return {"EQUAL", "COMMA"} <= place.accepts and place.tokens[0].type in BODIES


def _is_plain_name(token: Token) -> bool:
    return token.type == "NAME" and token[:1].islower()


def _ends_body(place: Place) -> bool:
    at = place.index - 1 + len(statement(place, place.index - 1))
    return at < len(place.tokens) and place.tokens[at].type == "RBRACE"


def _is_used_below(span: Span, name: str) -> bool:
    """Whether a line below begins with the name, as the next pipeline of a diagram does."""
    below = span.source.text[span.end : span.end + NEAR]
    return re.search(rf"^[ \t]*{name}[ \t]*->", below, re.MULTILINE) is not None


def _is_layer(tokens: Sequence[Token]) -> bool:
    kinds = [token.type for token in tokens]
    at = 2 if kinds[1:2] == ["COLON"] else 0
    return kinds[at : at + 1] == ["NAME"] and (len(kinds) == at + 1 or kinds[at + 1] in ("LPAR", "DOT"))


def _head(place: Place) -> tuple[str, Span]:
    """The header of the item, as text, and the brace that ends it."""
    brace = next((token for token in place.tokens if token.type == "LBRACE"), place.tokens[-1])
    opener = span_of(place.source, brace)
    return span_of(place.source, place.tokens[0]).to(opener).text[:-1].rstrip(), opener


def _layers_from(span: Span) -> tuple[list[str], int]:
    """The stages of this line and of those below that are layers too, and where the last one ends."""
    text, stages, end = span.source.text, list[str](), span.end
    at = text.rfind("\n", 0, span.start) + 1
    if text[at : span.start].strip():
        return [span.text], end
    for line in text[at : span.end + NEAR].splitlines(keepends=True):
        layer = _LAYER_LINE.fullmatch(line.rstrip("\n"))
        if layer is None or layer[1].startswith("return"):
            break
        stages.append(layer[1])
        end = at + layer.end(1)
        at += len(line)
    return stages, end


def first_input(tokens: Sequence[Token]) -> str:
    """The first input in a header, or `x`."""
    at = next((n for n, token in enumerate(tokens) if token.type == "LPAR"), None)
    return str(tokens[at + 1]) if at is not None and tokens[at + 1].type == "NAME" else "x"


def _outputs(header: Sequence[Token]) -> list[str]:
    """The names of the outputs in a header: those before a `:` after its arrow."""
    kinds = [token.type for token in header]
    body = kinds.index("LBRACE") if "LBRACE" in kinds else len(kinds)
    arrow = kinds.index("ARROW") if "ARROW" in kinds[:body] else body
    return [str(header[n]) for n in range(arrow, body - 1) if kinds[n] == "NAME" and kinds[n + 1] == "COLON"]


def _opening(tokens: Sequence[Token], closer: int) -> int | None:
    """The index of the `[` that the `]` closes."""
    depth = 0
    for n in range(closer, -1, -1):
        depth += (tokens[n].type == "RSQB") - (tokens[n].type == "LSQB")
        if depth == 0:
            return n
    return None


BARE_STATEMENTS = (
    without_inputs,
    unnamed_pipeline,
    ports_in_body,
    undeclared_weight,
    setting_with_colon,
    layer_line,
    list_of_stages,
)
