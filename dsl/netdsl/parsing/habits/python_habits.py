"""Statements of Python that this language does not have, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl.arrivals.recipes import in_our_words
from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.parsing.habits.extents import end_of_indented, instead, matching, statement_span, text_of
from netdsl.parsing.habits.python_class import input_type_of, output_of, pipeline_of
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place
from netdsl.parsing.token import Token
from netdsl.source import Span

_PACKAGES = frozenset("torch numpy tensorflow keras jax flax nn np tf jnp torchvision".split())
_OURS = frozenset("std netdsl netruntime".split())
_NO_METHODS = "there are no methods"


def python_import(place: Place) -> Diagnostic | None:
    """`import torch`, `from torch import nn`, `from std import Linear`."""
    first = place.tokens[0]
    if first not in ("import", "from") or len(place.tokens) < 2:
        return None
    package = str(place.tokens[1])
    if package not in _PACKAGES | _OURS:
        return None
    label = (Label(_line(place, first)),)
    help = "remove the line: layers and functions are known without an import"
    line = label[0].span
    text, end = line.source.text, line.source.text.find("\n", line.end)
    whole = line.source.span(line.start, end + 1 if end >= 0 else len(text))
    what = "a package of Python" if package in _PACKAGES else "part of the language"
    message = f"`{package}` is {what}"
    return Diagnostic("E0107", message, label, help, fixes=(replacement(whole, ""),))


def python_class(place: Place) -> Diagnostic | None:
    """`class Net(nn.Module)` as an item, `def forward(self, x)` in a body."""
    token, previous = place.token, place.previous
    word = token if previous is None else previous
    if word is None or str(word) not in ("class", "def"):
        return None
    if previous is not None and not place.starts_statement:
        return None
    line = pipeline_of(place.source.text)
    what = "classes" if word == "class" else "methods"
    shown = f"`{line}`"
    edits: tuple[Edit, ...] = ()
    if previous is None and line is not None:
        shown, edits = _as_model(place, word, line)
    if line is None or "->" not in line:
        shown = "`return x -> fc1: Linear(128) -> relu -> fc2: Linear(10)`"
        if previous is None:
            shown = "`model Net(x: f32[B, ..]) { ... }` or `block Part(x) { ... }`"
    message = f"there are no {what}: a body is statements, and layers are written where they are used"
    if previous is None:
        message = f"`{word}` does not start anything here: a network is a `model`, a part of one a `block`"
    code = "E0105" if previous is None else "E0107"
    return Diagnostic(code, message, (Label(span_of(place.source, word)),), f"write {shown}", fixes=edits)


def _as_model(place: Place, word: Token, line: str) -> tuple[str, tuple[Edit, ...]]:
    """How a message quotes the model for a class, and the edit where the size of its input is known."""
    source, start = place.source, word.start_pos
    name, _, stages = line.removeprefix("return ").partition(" -> ")
    type_ = input_type_of(source.text)
    text = f"model Net({name}: {type_}){output_of(stages, type_)} {{ {line} }}"
    end = end_of_indented(source, start, source.text.find("\n", start))
    is_known = word == "class" and ".." not in type_ and "H, W" not in type_ and "->" in line
    edits = (replacement(source.span(start, end), text, is_certain=False),) if is_known else ()
    return f"`{text}`", edits


def f_string(place: Place) -> Diagnostic | None:
    """`f"{heads} heads"`."""
    token, after = place.token, place.following
    if token not in ("f", "F") or after is None or after.type != "STRING" or after.start_pos != token.end_pos:
        return None
    plain = str(after).replace("{", "").replace("}", "")
    span = span_of(place.source, token).to(span_of(place.source, after))
    help = f"write `{plain}`; a message shows the values of the names in the condition by itself"
    edits: tuple[Edit, ...] = (replacement(span, plain),)
    return Diagnostic("E0107", "there are no f-strings", (Label(span),), help, fixes=edits)


def tuple_value(place: Place) -> Diagnostic | None:
    """`betas=(0.9, 0.999)`, `kernel_size=(3, 3)`."""
    brackets = _tuple(place)
    if brackets is None or place.opener is None:
        return None
    (start, end), opener = brackets, place.opener
    inner = text_of(place, place.tokens[start + 1 : end])
    span = span_of(place.source, opener).to(span_of(place.source, place.tokens[end]))
    optimizer = _optimizer(place, start, end, inner)
    if optimizer is not None:
        whole, text = optimizer
        label = (Label(span),)
        message = f"`{span.text}` is a tuple, which the language does not have"
        return Diagnostic("E0107", message, label, f"write `{text}`", fixes=(replacement(whole, text),))
    message = f"`{span.text}` is a tuple, which the language does not have"
    text = f"[{inner}]"
    edits = (replacement(span, text),)
    return Diagnostic("E0107", message, (Label(span),), f"write `{text}`, a list", fixes=edits)


def tuple_brackets(place: Place) -> tuple[int, int] | None:
    """The indices of the parentheses of a refused tuple that a list can take the place of."""
    brackets = _tuple(place)
    if brackets is None or _optimizer(place, *brackets, "") is not None:
        return None
    return brackets


def _tuple(place: Place) -> tuple[int, int] | None:
    token, opener = place.token, place.opener
    if token is None or token.type != "COMMA" or opener is None or opener.type != "LPAR":
        return None
    if "RPAR" not in place.accepts:
        return None
    start = next(n for n in reversed(range(place.index)) if place.tokens[n] is opener)
    end = matching(place.tokens, start)
    return None if end is None else (start, end)


def _optimizer(place: Place, start: int, end: int, inner: str) -> tuple[Span, str] | None:
    """The call of an optimizer around `betas=(a, b)`, in the words of this language."""
    tokens = place.tokens
    if start < 2 or tokens[start - 2] != "betas":
        return None
    opening = next((n for n in reversed(range(start)) if tokens[n].type == "LPAR"), None)
    closing = matching(tokens, opening) if opening is not None else None
    if opening is None or closing is None or opening < 1:
        return None
    first, _, second = inner.partition(",")
    arguments = place.source.text[tokens[opening].end_pos : tokens[closing].start_pos]
    written = place.source.text[tokens[start - 2].start_pos : tokens[end].end_pos]
    arguments = arguments.replace(written, f"beta1={first.strip()}, beta2={second.strip()}")
    span = span_of(place.source, tokens[opening - 1]).to(span_of(place.source, tokens[closing]))
    return span, f"{str(tokens[opening - 1]).lower()}({in_our_words(arguments)})"


def _line(place: Place, first: Token) -> Span:
    same = [t for t in place.tokens if t.line == first.line and t.type != "NEWLINE"]
    return span_of(place.source, same[0]).to(span_of(place.source, same[-1]))


def without_echoes_of_python(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The findings of one item; of a body in Python, the first alone."""
    ordered = sorted(findings, key=lambda one: one.span.start if one.span else 0)
    first = next((one for one in ordered if one.message.startswith(_NO_METHODS)), None)
    return list(findings) if first is None else [first]


_CELL = re.compile(r"(?:\w+\.)?((?:LSTM|GRU|RNN)\([\w.=, ]*\))\((\w+)\)")
"""A cell that is applied to a sequence, as in Keras."""


def nested_names(place: Place) -> Diagnostic | None:
    """`out, (h, c) = ...`."""
    token, previous = place.token, place.previous
    if token is None or token.type != "LPAR" or previous is None or previous.type != "COMMA":
        return None
    start = (
        max((n for n in range(place.index) if place.tokens[n].type in ("NEWLINE", "LBRACE")), default=-1) + 1
    )
    end = matching(place.tokens, place.index)
    if end is None or end + 1 >= len(place.tokens) or place.tokens[end + 1].type != "EQUAL":
        return None
    span = span_of(place.source, token).to(span_of(place.source, place.tokens[end]))
    inner = text_of(place, place.tokens[place.index + 1 : end])
    before = text_of(place, place.tokens[start : place.index])
    help = f"write `{before} {inner} = ...`"
    edits: tuple[Edit, ...] = (replacement(span, inner),)
    value = statement_span(place, end + 2)
    if (cell := _CELL.fullmatch(value.text.strip())) is not None:
        text = f"{cell[2]} -> scan {cell[1]} states"
        help = f"write `{before} {inner} = {text}`"
        edits = (*edits, replacement(value, f" {text}" if value.text[:1].isspace() else text))
    return Diagnostic("E0107", "names are not grouped in parentheses", (Label(span),), help, fixes=edits)


def self_attribute(place: Place) -> Diagnostic | None:
    """`self.fc1 = nn.Linear(20, 64)`."""
    token, previous, name = place.token, place.previous, place.following
    if (
        token is None
        or token.type != "DOT"
        or previous != "self"
        or name is None
        or not place.starts_statement
    ):
        return None
    if name in ("register_buffer", "register_parameter", "add_module"):
        return _registered(place, place.index - 1, str(name))
    span = span_of(place.source, previous).to(span_of(place.source, token))
    message = (
        f"there is no `self`: a layer is written where it is used, with a label: `x -> {name}: Linear(10)`"
    )
    help = f"write `layer {name} = ...`, which declares a layer for later use"
    return Diagnostic("E0107", message, (Label(span),), help, fixes=(replacement(span, "layer "),))


def _registered(place: Place, start: int, word: str) -> Diagnostic:
    """`self.register_buffer("mask", torch.ones(20))`: a declaration here."""
    span = statement_span(place, start)
    label = re.search(r"\(\s*[\"'](\w+)[\"']", span.text)
    name = label[1] if label is not None else "name"
    kind = {"register_buffer": "buffer", "register_parameter": "param"}.get(word)
    filled = re.search(r"\b(ones|zeros)\(\s*[\[(]?([\w\s,]+?)[\])]*\s*\)", span.text)
    message = f"there is no `self.{word}`"
    if kind is None:
        help = f"write `layer {name} = ...`, which declares a layer for later use"
        return Diagnostic("E0107", message, (Label(span),), help)
    if filled is None:
        help = f"write `{kind} {name}: [D] = ones`, with the shape it has"
        return Diagnostic("E0107", message, (Label(span),), help)
    return instead(message, span, span, f"{kind} {name}: [{filled[2].strip().rstrip(',')}] = {filled[1]}")


PYTHON_HABITS = (
    nested_names,
    self_attribute,
    python_import,
    python_class,
    f_string,
    tuple_value,
)
