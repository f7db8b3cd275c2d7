"""Habits in heads, `config`, weight maps and tests: JSON, dictionaries, types before names."""

from __future__ import annotations

import re
from collections.abc import Callable

from netdsl.diagnostics import Diagnostic, Label
from netdsl.edits import Edit, replacement
from netdsl.parsing.habits.extents import BODIES, instead
from netdsl.parsing.layout import span_of
from netdsl.parsing.places import Place
from netdsl.source import Span

_ENTRY = re.compile(r'"?(\w+)"?\s*:\s*([^,\n}\s][^,\n}]*+),?[ \t]*+(?=[\n}]|$)')
_KINDS = frozenset("int float bool str list dtype block function init".split())
_RULE = re.compile(r'"[^"\n]*"\s*(->|:|=)\s*"[^"\n]*"[ \t]*(,)?\s*')
_BARE_RULE = re.compile(r'("?[\w.*{}]+"?)[ \t]*=>[ \t]*("?[\w.*{}]+"?)')
"""A rule of which a name is not in quotes."""
_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_IMPORT = re.compile(r"from\s+\.?([\w.]+)\s+import\s+[^\n]+")
_TYPED = re.compile(r"\s*((?:\w+)\[[^\]]*\])\s+(\w+)\s*")


def _at(place: Place, pattern: re.Pattern[str], start: int) -> tuple[Span, re.Match[str]] | None:
    found = pattern.match(place.source.text, start)
    return (place.source.span(found.start(), found.end()), found) if found is not None else None


def config_as_json(place: Place) -> Diagnostic | None:
    """`"hidden": 128,` and `hidden: 128` in `config`."""
    token, previous = place.token, place.previous
    if place.tokens[0].type != "CONFIG" or previous is None:
        return None
    index = place.index - 1
    while index >= 0 and place.tokens[index].type not in ("NEWLINE", "LBRACE"):
        index -= 1
    if index + 1 >= len(place.tokens):
        return None
    first = place.tokens[index + 1]
    entry = _at(place, _ENTRY, first.start_pos)
    if entry is None or "=" in entry[1][2]:
        return _comma_after_entry(place)
    span, found = entry
    is_type = found[2].split()[0] in _KINDS
    until = place.source.text[span.end : token.start_pos] if token is not None else ""
    if is_type or until.strip():
        return None
    text = f"{found[1]} = {found[2].strip()}"
    return instead("an entry of `config` is written with `=`", span_of(place.source, first), span, text)


def _comma_after_entry(place: Place) -> Diagnostic | None:
    token, opener = place.token, place.opener
    if token is None or opener is None or opener.type != "LBRACE":
        return None
    if token.type != "COMMA" or place.tokens[0].type not in ("CONFIG", "WEIGHTS"):
        return None
    what = "entries" if place.tokens[0].type == "CONFIG" else "rules"
    at = span_of(place.source, token)
    text = place.source.text
    is_last_of_line = text[at.end :].partition("\n")[0].strip() in ("", "}")
    help = "remove the `,`" if is_last_of_line else "start a new line in place of the `,`"
    return instead(f"{what} end with their line", at, at, "" if is_last_of_line else "\n ", help)


def rule_of_map(place: Place) -> Diagnostic | None:
    """`"a.*" -> "b.*"`, `"a": "b",`, `"b.*".transpose` in a weight map."""
    token, following = place.token, place.following
    if token is None or place.tokens[0].type != "WEIGHTS":
        return None
    bare = _at(place, _BARE_RULE, token.start_pos)
    if bare is not None and "STRING" in place.accepts:
        span, found = bare
        quoted = " => ".join('"{}"'.format(name.strip('"')) for name in found.groups())
        return instead("the names of a rule are strings", span, span, quoted)
    if token.type in ("ARROW", "COLON", "EQUAL") and "FATARROW" in place.accepts:
        at = span_of(place.source, token)
        edits = _rules(place, at.start)
        shown = f"write `{place.previous} => {_rest_of_rule(place, at.end) or '...'}`"
        message = f"`{token}` does not map a name to another"
        return Diagnostic("E0107", message, (Label(at),), shown, fixes=tuple(edits))
    if token.type == "DOT" and following is not None and following.type == "NAME":
        span = span_of(place.source, token).to(span_of(place.source, following))
        text = "transpose" if following in ("transpose", "T", "t") else str(following)
        message = "what is done to an array is a word after the rule"
        return instead(message, span, span, f" {text}", f"write `{place.previous} {text}`")
    return _comma_after_entry(place)


def _rest_of_rule(place: Place, start: int) -> str:
    """What follows in the line: the model's name, and a word such as `transpose`."""
    return place.source.text[start:].partition("\n")[0].strip(" \t,}")


def _rules(place: Place, start: int) -> list[Edit]:
    """The sign of this rule, and of those that a comma ties to it, as `=>`."""
    edits, text = list[Edit](), place.source.text
    at = text.rfind('"', 0, text.rfind('"', 0, start))
    while (rule := _RULE.match(text, at)) is not None:
        sign = f"{'' if text[rule.start(1) - 1].isspace() else ' '}=>"
        edits.append(replacement(place.source.span(*rule.span(1)), sign))
        if rule[2] is None:
            break
        edits.append(replacement(place.source.span(*rule.span(2)), ""))
        at = rule.end()
    return edits


def block_comment(place: Place) -> Diagnostic | None:
    """`/* two layers */`."""
    token, after = place.token, place.following
    if token is None or token.type != "SLASH" or after is None or after.type not in ("STAR", "POWER"):
        return None
    found = _at(place, _COMMENT, token.start_pos)
    if found is None:
        return None
    span, match = found
    lines = [line.strip(" \t*") for line in match[1].strip().splitlines()]
    text = "\n".join(f"# {line}".rstrip() for line in lines)
    return instead("`/*` does not start a comment", span, span, text, f"write `{text.partition(chr(10))[0]}`")


def import_from(place: Place) -> Diagnostic | None:
    """`from parts import Body`."""
    first = place.tokens[0]
    found = _at(place, _IMPORT, first.start_pos) if first == "from" else None
    if found is None:
        return None
    span, match = found
    text = f'import "{match[1].replace(".", "/")}.net"'
    message = "`from` does not start anything here"
    help = f"write `{text}`, which imports every block of that file"
    return Diagnostic(
        "E0105", message, (Label(span_of(place.source, first)),), help, fixes=(replacement(span, text),)
    )


def type_before_name(place: Place) -> Diagnostic | None:
    """`Net(f32[B, 20] x)`."""
    token, previous = place.token, place.previous
    if token is None or previous is None or token.type not in ("LSQB", "NAME"):
        return None
    if place.tokens[0].type not in BODIES or place.opener is None:
        return None
    if place.opener.type != "LPAR" or "COLON" not in place.accepts or token.type != "LSQB":
        return None
    found = _at(place, _TYPED, previous.start_pos)
    if found is None:
        return None
    span, match = found
    text = f"{match[2]}: {match[1]}"
    at = place.source.span(span.start, previous.start_pos or span.start).to(span_of(place.source, token))
    return instead("the name comes before the type", at, span, text)


def name_after_output(place: Place) -> Diagnostic | None:
    """`-> f32[B, 10] logits {`, and `-> logits f32[B, 10] {`."""
    token, previous = place.token, place.previous
    if token is None or previous is None or token.type != "NAME" or place.opener is not None:
        return None
    if place.tokens[0].type not in BODIES or "LBRACE" not in place.accepts:
        return None
    start = next((n for n in reversed(range(place.index)) if place.tokens[n].type == "ARROW"), None)
    if start is None:
        return None
    first = place.tokens[start + 1]
    typed = _at(place, _TYPED, first.start_pos)
    if typed is not None and previous.type == "RSQB":
        span = span_of(place.source, first).to(span_of(place.source, token))
        return instead("the name comes before the type", span, span, f"{typed[1][2]}: {typed[1][1]}")
    if previous is first and str(token)[:1] in "fbiu":
        text = f"{previous}: {token}"
        span = span_of(place.source, previous).to(span_of(place.source, token))
        return instead(
            f"a `:` is missing between `{previous}` and `{token}`", span, span, text, f"write `{text}..`"
        )
    return None


def parameter_without_shape(place: Place) -> Diagnostic | None:
    """`param gain = ones`."""
    token, name = place.token, place.previous
    if token is None or name is None or token.type not in ("EQUAL", "NEWLINE", "RBRACE") or place.index < 2:
        return None
    word = place.tokens[place.index - 2]
    if word.type not in ("PARAM", "BUFFER", "STATE", "CONST") or "COLON" not in place.accepts:
        return None
    head = place.source.text[place.tokens[0].start_pos : word.start_pos]
    sizes = re.findall(r"\b([A-Za-z]\w*)\s*\]\)", head) or ["D"]
    batch = re.findall(r"\[\s*([A-Z]\w*)\s*,", head)[:1]
    shape = f"[{sizes[-1]}]" if word.type != "STATE" or not batch else f"[{batch[0]}, {sizes[-1]}]"
    at = span_of(place.source, name)
    message = f"a `{word}` has a shape"
    return instead(
        message, at, at, f"{name}: {shape}", f"write `{word} {name}: {shape}`, with the sizes it has"
    )


SECTION_HABITS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    config_as_json,
    rule_of_map,
    block_comment,
    import_from,
    type_before_name,
    name_after_output,
    parameter_without_shape,
)
