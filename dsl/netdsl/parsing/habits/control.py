"""`if`, `for` and `while` as statements, in braces or as in Python, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.immutable import immutable
from netdsl.parsing.habits.extents import NEAR, complete_line, end_of_indented
from netdsl.parsing.habits.python_class import end_of_call, stages_of_list
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place
from netdsl.parsing.token import Token
from netdsl.source import Source, Span

RANGE = re.compile(r"range\(\s*(?:([\w.]+)\s*,\s*)?([\w.]+)\s*\)|([\w.]+)\s*\.\.\s*([\w.]+)")
_BOUND = re.compile(r"while\s*\(?\s*(\w+)\s*(<=?)\s*([\w.]+)\s*\)?")
_VALUE = re.compile(r"(\w+)\s*=(?!=)\s*(.+)")
_ELSE = re.compile(r"\s*else\b[ \t]*")
_ELIF = re.compile(r"\s*(?:elif|elsif|elseif|else\s+if)\b")
_OTHER_WORDS = {
    **dict.fromkeys(("repeat", "loop", "do", "until"), "repeat stages with `h = x -> for i in 0..3 { ... }`"),
    **dict.fromkeys(("switch", "match", "case"), "choose among values with `a if p else b if q else c`"),
}
_MESSAGE = "there is no `{}` statement"


@immutable
class _Control:
    """A statement of control: its words before the body, the lines of the body, and where it ends."""

    head: str
    lines: tuple[str, ...]
    end: int

    def value(self) -> tuple[str, str] | None:
        """The name and the value of a body that gives one name a value."""
        found = _VALUE.fullmatch(self.lines[0]) if len(self.lines) == 1 else None
        return (found[1], found[2].strip()) if found is not None else None


def _read(source: Source, start: int) -> _Control:
    """The statement that starts at a place."""
    text = source.text[start : start + NEAR]
    line = text.partition("\n")[0]
    if "{" in line:
        at = text.index("{")
        end = _closing(text, at)
        return _Control(text[:at].strip(), _lines(text[at + 1 : end]), start + end + 1)
    end = end_of_indented(source, start, start + len(line))
    head, _, inline = line.partition(":")
    return _Control(head.strip(), _lines(f"{inline}\n{source.text[start + len(line) : end]}"), end)


def _closing(text: str, at: int) -> int:
    """The index of the `}` for the `{` at an index, or the end of the text."""
    depth = 0
    for n in range(at, len(text)):
        depth += (text[n] == "{") - (text[n] == "}")
        if depth == 0:
            return n
    return len(text)


def _lines(text: str) -> tuple[str, ...]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def if_statement(place: Place) -> Diagnostic | None:
    """`if use_bn { h = h -> bn: BatchNorm }`, the same with a colon, and both with an `else`."""
    at = _if(place)
    if at is None:
        return None
    start = at.start_pos
    first = _read(place.source, start)
    condition = first.head.removeprefix("if").strip()
    help = f"leave a stage out with `stage when {condition}`; choose a value with `a if {condition} else b`"
    label = (Label(span_of(place.source, at)),)
    if _ELIF.match(place.source.text, first.end):
        help = _chosen(place.source, first, condition) or help
    other = _otherwise(place.source, first.end)
    one, two = first.value(), other.value() if other is not None else None
    if one is not None and other is None:
        name, value = one
        before, arrow, stages = value.partition("->")
        if arrow and before.strip() == name and "->" not in stages:
            new = f"{name} -> {stages.strip()} when {condition}"
            if _names_values(_before(place, start), condition):
                new = f"where({condition}, ({value.strip()}), {name})"
            help = f"write `{name}2 = {new}`, and go on with `{name}2`"
    elif one is not None and two is not None and other is not None and one[0] == two[0]:
        is_bound = re.search(rf"^[ \t]*{one[0]}[ \t]*=", _before(place, start), re.MULTILINE) is not None
        name, on = (f"{one[0]}2", f", and go on with `{one[0]}2`") if is_bound else (one[0], "")
        text = f"{name} = {_grouped(one[1])} if {condition} else {_grouped(two[1])}"
        edits = () if is_bound else (replacement(place.source.span(start, other.end), text),)
        return Diagnostic("E0107", _MESSAGE.format("if"), label, f"write `{text}`{on}", fixes=edits)
    return Diagnostic("E0107", _MESSAGE.format("if"), label, help)


def _names_values(before: str, condition: str) -> bool:
    """Whether a condition names a tensor: an input with a type, or what a line has bound."""
    return any(
        re.search(rf"\b{word}\s*:\s*\w+\[|^[ \t]*{word}[ \t]*=", before, re.MULTILINE)
        for word in re.findall(r"[A-Za-z_]\w*", condition)
    )


def _chosen(source: Source, first: _Control, condition: str) -> str | None:
    """The value that `if`, `elif` and `else` choose for one name, as an expression."""
    value = first.value()
    if value is None:
        return f"choose among several with `a if {condition} else b if ... else c`"
    name, text, end = value[0], f"{_grouped(value[1])} if {condition}", first.end
    while (word := _ELIF.match(source.text, end)) is not None:
        body = _read(source, word.end())
        value, end = body.value(), body.end
        if value is None or value[0] != name:
            return None
        text += f" else {_grouped(value[1])} if {body.head}"
    other = _otherwise(source, end)
    last = other.value() if other is not None else None
    rest = _grouped(last[1]) if last is not None else "..."
    note = "" if last is not None else ", with the value for all other cases"
    return f"write `{name} = {text} else {rest}`{note}"


def _if(place: Place) -> Token | None:
    """The word `if` where it starts a line, and what follows cannot be read."""
    token = place.token
    if token is not None and token.type == "IF" and {"RETURN", "LET"} <= place.accepts:
        return token
    if token is None or token.type not in ("LBRACE", "COLON") or "ELSE" not in place.accepts:
        return None
    at = next((n for n in reversed(range(place.index)) if place.tokens[n].type == "IF"), None)
    if at is None or (at and place.tokens[at - 1].line == place.tokens[at].line):
        return None
    return place.tokens[at]


def _otherwise(source: Source, end: int) -> _Control | None:
    found = _ELSE.match(source.text, end)
    return _read(source, found.end() - len(found[0].lstrip())) if found is not None else None


def _before(place: Place, start: int) -> str:
    """The text of the item before a place."""
    return place.source.text[max(place.tokens[0].start_pos, start - NEAR) : start]


def _grouped(value: str) -> str:
    return f"({value})" if "->" in value else value


def for_statement(place: Place) -> Diagnostic | None:
    """`for i in range(3):` with the lines of its body after it."""
    token = place.token
    if token is None or token.type != "FOR" or not {"RETURN", "LET"} <= place.accepts:
        return None
    body = _read(place.source, token.start_pos)
    line = place.source.text[token.start_pos : body.end].partition("\n")[0]
    variable = (re.match(r"for\s+(\w+)", line) or ["", "i"])[1]
    found = RANGE.search(line)
    first, last = (found[1] or found[3] or "0", found[2] or found[4]) if found else ("0", "n")
    if found is None and (layers := _over_layers(place, token, line, body)) is not None:
        return layers
    help, edits = _as_loop(place, token, body, f"for {variable} in {first}..{last}", body.lines)
    label = (Label(_first_line(place.source, token)),)
    return Diagnostic("E0107", _MESSAGE.format("for"), label, help, fixes=edits)


def _over_layers(place: Place, token: Token, line: str, body: _Control) -> Diagnostic | None:
    """`for layer in layers: x = layer(x)`, where `layers` is a list of layers above it."""
    over = re.match(r"for\s+(?:\w+\s*,\s*)?(\w+)\s+in\s+(?:enumerate\()?(?:self\.)?(\w+)", line)
    step = body.value()
    if over is None or step is None:
        return None
    word, (name, value) = over[1], step
    if value.replace(" ", "") not in (f"{word}({name})", f"{name}->{word}"):
        return None
    start, source = token.start_pos, place.source
    label = (Label(_first_line(source, token)),)
    head = re.compile(rf"^[ \t]*(?:self\.)?{over[2]}\s*=\s*(?:[\w.]*ModuleList\()?(?=\[)", re.MULTILINE)
    above = head.search(source.text, max(place.tokens[0].start_pos, start - NEAR), start)
    layers = stages_of_list(source.text[above.end() : start]) if above is not None else None
    message = "there are no `for` statements or lists of layers"
    if layers is None or above is None:
        help = f"write the layers where they are applied: `{name}2 = {name} -> first -> second`"
        return Diagnostic("E0107", message, label, help)
    help = f"write `{name}2 = {name} -> {layers}` without the list, and go on with `{name}2`"
    edits = _instead_of(source, start, body.end, f"{name} -> {layers}", name)
    if edits:
        listed = source.span(above.start(), above.end() + end_of_call(source.text[above.end() : start]))
        edits = (replacement(complete_line(listed), "", is_certain=False), *edits)
    return Diagnostic("E0107", message, label, help, fixes=edits)


def _instead_of(source: Source, start: int, end: int, value: str, name: str) -> tuple[Edit, ...]:
    """`h2 = ..` for a loop that changes `h`, and `h2` after it; none where `h` is bound again later."""
    last = source.text.find("\n}", end)
    rest = source.text[end : last if last >= 0 else None]
    if re.search(rf"\b{name}\b\s*=|\b{name}2\b", rest):
        return ()
    later = re.sub(rf"\b{name}\b", f"{name}2", rest)
    span = source.span(start, end + len(rest))
    return (replacement(span, f"{name}2 = {value}{later}", is_certain=False),)


def _without_counter(place: Place, start: int, counter: str) -> tuple[Edit, ...]:
    """The line `i = 0` before a loop, removed."""
    before = _before(place, start)
    lines = list(re.finditer(rf"^[ \t]*(?:let[ \t]+)?{counter}[ \t]*=[ \t]*\d+[ \t]*$", before, re.MULTILINE))
    at = start - len(before)
    spans = [place.source.span(at + line.start(), at + line.end()) for line in lines[-1:]]
    return tuple(replacement(complete_line(span), "", is_certain=False) for span in spans)


def while_statement(place: Place) -> Diagnostic | None:
    """`while i < 3 { h = h -> Linear(20); i = i + 1 }`."""
    word = place.previous
    if word != "while" or not place.starts_statement:
        return None
    start = word.start_pos
    body = _read(place.source, start)
    found = _BOUND.fullmatch(body.head)
    counter, sign, last = found.groups() if found is not None else ("i", "<", "n")
    if sign == "<=":
        last = str(int(last) + 1) if last.isdigit() else f"{last} + 1"
    values = re.findall(rf"\b{counter}\s*=\s*(\d+)", _before(place, start))
    lines = [line for line in body.lines if not re.match(rf"{counter}\s*\+?=", line)]
    loop = f"for {counter} in {values[-1] if values else '0'}..{last}"
    help, edits = _as_loop(place, word, body, loop, lines)
    help = f"the number of repetitions must be known before the model runs: {help}"
    counts = any(re.match(rf"{counter}\s*(\+=|=\s*{counter}\s*\+)", line) for line in body.lines)
    is_counter = counts or values or not _names_values(_before(place, start), counter)
    if found is None or not is_counter:
        condition = body.head.removeprefix("while").strip()
        text, edits = _as_loop(place, word, body, "for i in 0..10", lines)
        help = f"a loop cannot depend on a tensor, as in `{condition}`; {text}"
        help += ", where 10 is the number of repetitions"
    elif edits:
        edits = (*_without_counter(place, start, counter), *edits)
    label = (Label(_first_line(place.source, word)),)
    return Diagnostic("E0107", _MESSAGE.format("while"), label, help, fixes=edits)


def other_statement(place: Place) -> Diagnostic | None:
    """`repeat 3 { .. }`, `loop { .. }`, `switch depth { .. }`."""
    word = place.previous
    help = _OTHER_WORDS.get(str(word))
    if word is None or help is None or not place.starts_statement or place.token is None:
        return None
    if place.token.type not in ("LBRACE", "LPAR", "NAME", "INT", "COLON"):
        return None
    return Diagnostic("E0107", _MESSAGE.format(word), (Label(_first_line(place.source, word)),), help)


def _as_loop(
    place: Place, word: Token, body: _Control, loop: str, lines: Sequence[str]
) -> tuple[str, tuple[Edit, ...]]:
    """The loop as a stage and the edits, where the body only takes one name through stages."""
    steps = [found.groups() for line in lines if (found := _VALUE.fullmatch(line))]
    names = {name for name, _ in steps}
    name = next(iter(names)) if len(names) == 1 else "h"
    parts = [re.fullmatch(rf"{name}\s*->\s*(.+)|(\w+(?:\([^()]*\))?)\({name}\)", value) for _, value in steps]
    stages = " -> ".join((part[1] or part[2]).strip() for part in parts if part is not None)
    if not steps or len(steps) < len(lines) or None in parts or len(names) != 1:
        return f"`for` is a stage of a pipeline: `h = x -> {loop} {{ ... }}`", ()
    value = f"{name} -> {loop} {{ {stages} }}"
    edits = _instead_of(place.source, word.start_pos or 0, body.end, value, name)
    return f"write `{name}2 = {value}`, and go on with `{name}2`", edits


def _first_line(source: Source, token: Token) -> Span:
    start = token.start_pos
    end = source.text.find("\n", start)
    line = source.text[start : end if end >= 0 else None]
    return source.span(start, start + len(line.partition("{")[0].rstrip()))


def without_echoes_of_control(findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The findings of one item without those inside a statement of control, which goes as one."""
    messages = {_MESSAGE.format(word) for word in ("if", "for", "while", *_OTHER_WORDS)}
    controls = [one.labels[0].span for one in findings if one.message in messages and one.labels]
    extents = [(at.start, _extent(at)) for at in controls]

    def is_inside(one: Diagnostic) -> bool:
        return one.span is not None and any(start < one.span.start < end for start, end in extents)

    return [one for one in findings if not is_inside(one)]


def _extent(at: Span) -> int:
    end = _read(at.source, at.start).end
    other = _otherwise(at.source, end)
    return other.end if other is not None else end


CONTROL_HABITS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    if_statement,
    for_statement,
    while_statement,
    other_statement,
)
