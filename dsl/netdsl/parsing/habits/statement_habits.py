"""Statements of Python and C in a body, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.parsing.habits.control import RANGE
from netdsl.parsing.habits.extents import (
    BODIES,
    NEAR,
    complete_line,
    instead,
    matching,
    statement_span,
    text_of,
)
from netdsl.parsing.habits.python_class import stage_of
from netdsl.parsing.habits.python_train import lines_of, written
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place
from netdsl.source import Span

_TYPES = frozenset("int float double bool size_t long Tensor tensor final static".split())
_SIZES = _TYPES - {"Tensor", "tensor"}
_REMOVED = {
    "print": "`netrun show` draws the shapes, and `netrun run` prints the values",
    "__init__": "layers need no registration",
    **dict.fromkeys(
        ("backward", "step", "zero_grad", "train", "eval"), "`netrun train` does this by the `train` section"
    ),
    **dict.fromkeys(("to", "cuda", "cpu"), "devices are chosen when the model is run, by `--device`"),
    **dict.fromkeys(("summary", "build"), "`netrun show` describes the model"),
    **dict.fromkeys(("manual_seed", "seed", "set_seed"), "pass `--seed 0`, or write `seed = 0` in `train`"),
    **dict.fromkeys(("save", "load_state_dict", "load_weights"), "weights are files: `--weights FILE`"),
}
"""Calls that are statements in Python, by the last word of what is called, and why there are none here."""


def call_statement(place: Place) -> Diagnostic | None:
    """`print(x)`, `super().__init__()`, `model.compile(..)`, `loss.backward()` as statements."""
    token, first = place.token, place.previous
    if token is None or first is None or not place.starts_statement:
        return None
    if token.type not in ("DOT", "LPAR") or not first.isidentifier():
        return None
    span = statement_span(place, place.index - 1)
    if first in ("self", "def", "class", "with") or re.match(r"[\w.]+\s*=[^=]", span.text):
        return None
    called = re.findall(r"(\w+)\s*\(", span.text.partition("->")[0])
    word = next((w for w in reversed(called) if w in _REMOVED), called[-1] if called else "")
    lines, notes = written(lines_of(span.text, place.source.text))
    shown = span.text.partition("(")[0]
    if lines:
        message = f"there is no `{shown}`: each setting is a line of the `train` section"
        help = f"write {', '.join(f'`{line}`' for line in lines)}, each on a line of its own{notes}"
        edits: tuple[Edit, ...] = (replacement(span, "\n  ".join(lines)),)
        return Diagnostic("E0107", message, (Label(span),), help, fixes=edits)
    if word in _REMOVED:
        message = f"a call of `{shown}` is not a statement here"
        edits = (replacement(complete_line(span), ""),)
        return Diagnostic("E0107", message, (Label(span),), f"remove it: {_REMOVED[word]}", fixes=edits)
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) < 90 else f"{line[:60]} ..."


def with_statement(place: Place) -> Diagnostic | None:
    """`with torch.no_grad():`."""
    first = place.previous
    if first not in ("with", "try", "async", "del", "global") or not place.starts_statement:
        return None
    span = statement_span(place, place.index - 1)
    line_end = place.source.text.find("\n", span.start)
    at = place.source.span(span.start, min(span.end, line_end if line_end >= 0 else span.end))
    help = "remove the line: the lines in it are statements on their own"
    if "no_grad" in at.text or "inference_mode" in at.text:
        help = "remove the line: gradients are cut by `stop_gradient(h)`"
    edits = (replacement(complete_line(at), ""),)
    return Diagnostic("E0107", f"there is no `{first}` statement", (Label(at),), help, fixes=edits)


def declared_like_in_c(place: Place) -> Diagnostic | None:
    """`int width = 32`, `Tensor h = ..`."""
    token, first = place.token, place.previous
    if token is None or first not in _TYPES or not place.starts_statement:
        return None
    if token.type != "NAME" or place.following is None or place.following.type != "EQUAL":
        return None
    start = span_of(place.source, first)
    word = "let " if first in _SIZES else ""
    help = f"write `{word}{token} = ...`: types are inferred"
    at = start.to(span_of(place.source, token))
    message = f"a name is not declared with a type, such as `{first}`"
    return instead(message, start, at, f"{word}{token}", help)


def docstring(place: Place) -> Diagnostic | None:
    """`\"\"\"Two layers.\"\"\"` as the first line of a body."""
    token = place.token
    if token is None or token.type != "STRING" or "NAME" not in place.accepts or place.opener is None:
        return None
    at = token.start_pos
    text = place.source.text
    quoted = re.compile(r'"""(.*?)"""|"([^"\n]*)"(?=[ \t]*\n)', re.DOTALL).match(text, at)
    starts = text[text.rfind("\n", 0, at) + 1 : at].strip() == ""
    if quoted is None or not starts or place.tokens[0].type not in BODIES:
        return None
    content = quoted[1] if quoted[1] is not None else quoted[2]
    lines = [line.strip() for line in content.strip().splitlines()]
    span = place.source.span(at, quoted.end())
    comment = "\n  ".join(f"# {line}".rstrip() for line in lines)
    shown = f"write `# {lines[0] if lines else ''}`; `##` above the {place.tokens[0]} is its description"
    return instead("a text is not a statement", span, span, comment, shown)


def if_as_stage(place: Place) -> Diagnostic | None:
    """`-> if deep { fc: Linear(32) } -> `."""
    token = place.token
    if token is None or token.type != "IF" or place.previous is None or place.previous.type != "ARROW":
        return None
    opening = next(
        (n for n in range(place.index, len(place.tokens)) if place.tokens[n].type == "LBRACE"), None
    )
    closing = matching(place.tokens, opening) if opening is not None else None
    if opening is None or closing is None:
        return None
    condition = text_of(place, place.tokens[place.index + 1 : opening])
    group = text_of(place, place.tokens[opening : closing + 1])
    end = closing
    text = f"{group} when {condition}"
    if closing + 2 < len(place.tokens) and place.tokens[closing + 1].type == "ELSE":
        other = matching(place.tokens, closing + 2)
        if other is not None:
            end, no = other, text_of(place, place.tokens[closing + 2 : other + 1])
            text = f"{{ {group} when {condition} -> {no} when not ({condition}) }}"
    span = span_of(place.source, token).to(span_of(place.source, place.tokens[end]))
    message = "`if` does not start a stage"
    return instead(message, span_of(place.source, token), span, text, f"write `{_short(text)}`")


def label_inside_scan(place: Place) -> Diagnostic | None:
    """`-> scan rnn: GRU(32)`."""
    token, label = place.token, place.previous
    if token is None or token.type != "COLON" or label is None or place.index < 2:
        return None
    word = place.tokens[place.index - 2]
    if word.type != "SCAN" or label.type != "NAME":
        return None
    span = span_of(place.source, word).to(span_of(place.source, token))
    message = "the label of a scan comes before `scan`"
    help = f"write `{label}: scan {place.following}`" if place.following is not None else ""
    return instead(message, span_of(place.source, label), span, f"{label}: scan", help)


def repeated_before(place: Place) -> Diagnostic | None:
    """`-> 3 * (fc: Linear(32) -> relu)`."""
    token, after = place.token, place.following
    if token is None or token.type != "INT" or after is None or after.type != "STAR":
        return None
    opening = place.index + 2
    if opening >= len(place.tokens):
        return None
    if place.tokens[opening].type in ("LPAR", "LBRACE"):
        closing = matching(place.tokens, opening)
        if closing is None:
            return None
        inner, last = text_of(place, place.tokens[opening + 1 : closing]), closing
        text = f"{{ {inner} }} * {token}"
    else:
        rest = statement_span(place, opening).text.partition("->")[0].strip()
        text, last = f"{rest} * {token}", None
        span = place.source.span(token.start_pos, place.tokens[opening].start_pos + len(rest))
    if last is not None:
        span = span_of(place.source, token).to(span_of(place.source, place.tokens[last]))
    at = span_of(place.source, token)
    return instead("the number of repetitions comes after the stage", at, span, text)


def comprehension(place: Place) -> Diagnostic | None:
    """`[Linear(32)(x) for i in range(3)]`."""
    token, opener = place.token, place.opener
    if token is None or token.type != "FOR" or opener is None or opener.type == "LBRACE":
        return None
    start = next(n for n in reversed(range(place.index)) if place.tokens[n] is opener)
    closing = matching(place.tokens, start)
    if closing is None:
        return None
    span = span_of(place.source, opener).to(span_of(place.source, place.tokens[closing]))
    item = text_of(place, place.tokens[start + 1 : place.index])
    found = RANGE.search(span.text)
    count = int(found[2]) if found is not None and found[1] is None and (found[2] or "").isdigit() else 0
    listed = _list_of_layers(
        place, span, item, str(place.following), found[2] if found and not found[1] else "n"
    )
    if listed is not None:
        return listed
    help = "repeat stages with `for i in 0..n { ... }`, or write out the list"
    if 0 < count <= 8 and opener.type == "LSQB":
        variable = str(place.following)
        items = [re.sub(rf"\b{variable}\b", str(n), item) for n in range(count)]
        return instead("there are no list comprehensions", span, span, f"[{', '.join(items)}]")
    return Diagnostic("E0107", "there are no list comprehensions", (Label(span),), help)


_LIST = re.compile(r"\s*(\w+)[ \t]*=[ \t]*(?:(?:\w+\.)*(?:ModuleList|Sequential)\(\*?)?")


def _list_of_layers(place: Place, span: Span, item: str, variable: str, count: str) -> Diagnostic | None:
    """`layers = nn.ModuleList([nn.Linear(20, 20) for _ in range(3)])`, as a stage where it is used."""
    text = place.source.text
    start = text.rfind("\n", 0, span.start) + 1
    head, layer = _LIST.fullmatch(text, start, span.start), stage_of(item)
    if head is None or layer is None:
        return None
    name = head[1]
    stage = f"{name}: {layer} * {count}"
    if re.search(rf"\b{variable}\b", layer):
        stage = f"for {variable} in 0..{count} {{ {name}: {layer} }}"
    line = complete_line(place.source.span(head.start(1), span.end))
    use = re.compile(rf"->\s*({name})\b(?!\s*[:(])").search(text, line.end, line.end + NEAR)
    edits: tuple[Edit, ...] = ()
    if use is not None:
        edits = (replacement(line, ""), replacement(place.source.span(*use.span(1)), stage))
    message = "there are no lists of layers: repeat stages where you apply them"
    help = f"remove the line, and write `-> {stage}` " + (
        f"for `-> {name}`" if use else "where it is applied"
    )
    return Diagnostic("E0107", message, (Label(span),), help, fixes=edits)


def spliced_argument(place: Place) -> Diagnostic | None:
    """`concat(*parts)`."""
    token, after, opener = place.token, place.following, place.opener
    if token is None or token.type != "STAR" or after is None or opener is None or opener.type != "LPAR":
        return None
    if place.previous is None or place.previous.type not in ("LPAR", "COMMA"):
        return None
    at = span_of(place.source, token)
    if after.type in ("RPAR", "COMMA"):
        help = "leave it out: what is piped goes to the first input that is not given by name"
        return Diagnostic("E0107", "`*` alone is not an argument", (Label(at),), help)
    if after.type == "LSQB" and (end := matching(place.tokens, place.index + 1)) is not None:
        inside = range(place.index + 2, end)
        at_for = next((n for n in inside if place.tokens[n].type == "FOR"), None)
        return comprehension(replace(place, index=at_for)) if at_for is not None else None
    message = "arguments are not spliced: a list is given as it is"
    return instead(message, at, at, "", f"write `{after}`, without the `*`")


def loop_over_list(place: Place) -> Diagnostic | None:
    """`for w in [64, 32] { .. }`, `for i, w in enumerate(widths) { .. }`."""
    token, opener = place.token, None
    start = next((n for n in reversed(range(place.index)) if place.tokens[n].type == "FOR"), None)
    if token is None or start is None or not place.accepts & {"IN", "RANGE"}:
        return None
    for n in range(start, len(place.tokens)):
        opener = n if place.tokens[n].type == "LBRACE" else opener
        if opener is not None:
            break
    if opener is None or (closing := matching(place.tokens, opener)) is None:
        return None
    head = re.fullmatch(
        r"for\s+(?:(\w+)\s*,\s*)?(\w+)\s+in\s+(?:enumerate\()?(\[[^\[\]]*\]|\w+)\)?",
        text_of(place, place.tokens[start:opener]),
    )
    if head is None:
        return None
    index, word, values = head[1] or "i", head[2], head[3]
    count = str(values.count(",") + 1) if values.startswith("[") else f"len({values})"
    body = re.sub(rf"\b{word}\b", f"{values}[{index}]", text_of(place, place.tokens[opener : closing + 1]))
    text = f"for {index} in 0..{count} {body}"
    span = span_of(place.source, place.tokens[start]).to(span_of(place.source, place.tokens[closing]))
    at = span_of(place.source, place.tokens[start]).to(span_of(place.source, place.tokens[opener - 1]))
    return instead("a loop counts from one number to another", at, span, text)


def _until_bracket(text: str) -> str:
    """A text up to the bracket that closes one before it."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return text[:index]
    return text


_WRAPPED = re.compile(r"(?:\w+\.)*(?:Lambda|vmap|jit)\($")
"""What a function is handed to in Keras and JAX, up to a place."""


def anonymous_function(place: Place) -> Diagnostic | None:
    """`-> lambda t: t * 2 ->`."""
    word, token = place.previous, place.token
    if word != "lambda" or token is None or token.type != "NAME":
        return None
    rest = _until_bracket(statement_span(place, place.index).text)
    parts = re.match(r"(\w+)\s*:\s*([^,\n]*?)\s*(?=->|,*$|\n)", rest)
    label = (Label(span_of(place.source, word)),)
    message = "there are no anonymous functions (lambda)"
    if parts is None:
        help = "give it a name as a block: `block Act(x: [*rest]) { return ... }`"
        return Diagnostic("E0107", message, label, help)
    text = place.source.text
    start, end = word.start_pos, token.start_pos + parts.end()
    around = _WRAPPED.search(text, 0, start)
    if around is not None and text[end : end + 1] == ")":
        start, end = around.start(), end + 1
    span = place.source.span(start, end)
    at = text.rfind("\n", 0, place.tokens[0].start_pos) + 1
    block = f"block Act({parts[1]}: [*rest]) {{ return {parts[2]} }}"
    edits = (
        replacement(place.source.span(at, at), f"{block}\n\n"),
        replacement(span, "Act" if text[end : end + 1] in ("", ")") or around is not None else "Act "),
    )
    place_of = "here" if around is None else f"in place of `{span.text}`"
    return Diagnostic("E0107", message, label, f"write `{block}` and, {place_of}, `Act`", fixes=edits)


STATEMENT_HABITS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    call_statement,
    with_statement,
    declared_like_in_c,
    docstring,
    if_as_stage,
    label_inside_scan,
    repeated_before,
    comprehension,
    spliced_argument,
    loop_over_list,
    anonymous_function,
)
