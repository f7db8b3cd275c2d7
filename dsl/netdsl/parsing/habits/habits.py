"""Habits from other languages, and the counterparts in this one."""

from __future__ import annotations

import re
from collections.abc import Callable

from netdsl.diagnostics import Diagnostic, Label, suggest
from netdsl.edits import replacement
from netdsl.parsing.habits.bare import BARE_STATEMENTS
from netdsl.parsing.habits.control import CONTROL_HABITS
from netdsl.parsing.habits.headers import HEADER_HABITS
from netdsl.parsing.habits.python_habits import PYTHON_HABITS
from netdsl.parsing.habits.python_script import SCRIPT_HABITS
from netdsl.parsing.habits.section_habits import SECTION_HABITS
from netdsl.parsing.habits.statement_habits import STATEMENT_HABITS
from netdsl.parsing.layout import ITEM_WORDS, STATEMENT_WORDS, span_of
from netdsl.parsing.places import Place

_BLOCKS = "a network is a `model`, and a part of one is a `block`: `block Name(x) { ... }`"
_ITEM_HELPS = {
    "def": _BLOCKS,
    "class": _BLOCKS,
    "fn": _BLOCKS,
    "func": _BLOCKS,
    "function": _BLOCKS,
    "from": 'write `import "parts.net"`, which imports every block of that file',
    **dict.fromkeys(
        ("generate", "generation", "inference", "sampling", "predict"),
        "remove the section: how text is generated is said in the command: "
        "`netrun generate FILE --max 20 --temperature 0.7`",
    ),
    **dict.fromkeys(
        ("data", "dataset", "dataloader", "inputs"),
        "remove the section: data are named in the command, `netrun train FILE --data train.csv`, and "
        "`batch_size = 32` is a line of `train`",
    ),
    **dict.fromkeys(
        ("optimizer", "loss", "training", "trainer", "fit", "schedule"),
        "write it in `train { loss = cross_entropy(logits, label) ... }`, each setting on a line",
    ),
    **dict.fromkeys(
        ("eval", "evaluate", "validation", "metrics", "metric"),
        "a metric is a line of `train`, `metric accuracy = accuracy(logits, label)`; `netrun eval` prints it",
    ),
    **dict.fromkeys(
        ("network", "layers", "module", "architecture", "sequential"),
        "a network is a `model`: `model Net(x: f32[B, 20]) -> logits: f32[B, 10] { ... }`",
    ),
    **dict.fromkeys(
        ("params", "parameters", "hyperparameters", "settings", "constants", "hparams"),
        "values for all of the file go in `config { width = 32 }`",
    ),
    "//": "a comment starts with `#`",
    "/": "a comment starts with `#`",
}


def _item(place: Place) -> Diagnostic | None:
    """A word that starts no item, such as `def`, or `let` outside a block."""
    if place.previous is not None or place.token is None:
        return None
    word = str(place.token)
    if word in STATEMENT_WORDS:
        help = "it belongs inside a block or a model; a value for all of the file goes in `config { ... }`"
    else:
        help = _ITEM_HELPS.get(word) or suggest(word, ITEM_WORDS - {"net"}) or ""
    help = (
        help or "a file is made of `config`, `block`, `cell`, `model`, `weights`, `train`, `test`, `import`"
    )
    return place.report("E0105", f"`{word}` does not start anything here", help=help)


def _after_item_word(place: Place) -> Diagnostic | None:
    """`import parts`, `test shapes`, `net 1`: the word right after an item's first."""
    token, first = place.token, place.tokens[0]
    if place.index != 1 or token is None:
        return None
    if first.type in ("IMPORT", "TEST") and token.type == "NAME":
        wanted = f'import "{token}.net"' if first.type == "IMPORT" else f'test "{token}"'
        what = "a file" if first.type == "IMPORT" else "the name of a test"
        return place.report("E0107", f"{what} is given as a string", help=f"write `{wanted}`")
    if first.type == "NET" and token.type == "INT":
        help = f"write `net {token}.0`"
        return place.report("E0107", "a version has two parts", help=help)
    return None


def _comment(place: Place) -> Diagnostic | None:
    token = place.token
    if token is None or place.previous is None or token.type not in ("FLOORDIV", "SLASH"):
        return None
    return place.report("E0107", f"`{token}` is not allowed here", help="a comment starts with `#`")


def _colon_for_equal(place: Place) -> Diagnostic | None:
    token = place.token
    if token is None or token.type != "COLON":
        return None
    opener = place.opener
    if "EQUAL" in place.accepts and opener is not None and opener.type == "LPAR":
        if place.following is not None and str(place.following)[:1].isupper():
            help = f"a label goes on a stage: `(x -> {place.previous}: {place.following}(...))`"
            return place.report("E0107", "an argument has no label", help=help)
        help = f"write `{place.previous}={place.following or '...'}`"
        return place.report("E0107", "an argument is given with `=`", help=help, write="=")
    return None


def _statement_word(place: Place) -> Diagnostic | None:
    """`retrun x`, `var y = ..`: two words in a row where a statement starts."""
    token, word = place.token, place.previous
    if token is None or word is None or not place.starts_statement or word.type != "NAME":
        return None
    if "COMMA" not in place.accepts or token.type not in ("NAME", "INT", "FLOAT", "LPAR", "LSQB"):
        return None
    if word in ("var", "val", "auto"):
        help = f"write `{token} = ...` for a tensor, `let {token} = ...` for a size"
        return place.report("E0107", f"`{word}` is not a keyword", help=help)
    near = suggest(str(word), STATEMENT_WORDS)
    if near is None:
        return place.report("E0107", f"a `=` is missing between `{word}` and `{token}`")
    at = (Label(span_of(place.source, word)),)
    return Diagnostic("E0107", f"`{word}` does not start a statement", at, near)


def _for_range(place: Place) -> Diagnostic | None:
    if place.token is None or place.token.type != "LBRACE" or "RANGE" not in place.accepts:
        return None
    message = "a `for` needs a start and a stop"
    return place.report("E0107", message, help="write `for i in 0..3 { ... }`, which runs i = 0, 1, 2")


def _elif(place: Place) -> Diagnostic | None:
    if place.token not in ("elif", "elsif", "elseif") or "ELSE" not in place.accepts:
        return None
    help = "choose among several with `a if p else b if q else c`"
    return place.report("E0107", f"`{place.token}` is not a keyword", help=help)


def _other_arrows(place: Place) -> Diagnostic | None:
    """`=>`, `<-`, `|>`, `|` and `+=` after a value."""
    token, after = place.token, place.following
    if token is None or after is None:
        return None
    if token.type == "FATARROW" and "ARROW" in place.accepts:
        help = "the arrow of a pipeline is `->`; `=>` goes between lists of axes: `[B, T, D] => [T, B, D]`"
        return place.report("E0107", "`=>` is not allowed here", help=help, write="->")
    joined = after.start_pos == token.end_pos
    if token == "<" and after.type == "MINUS" and joined:
        return place.report("E0107", "`<-` is not an operator in .net files", help="give a value with `=`")
    if token.type == "VBAR" and joined and after.type in ("VBAR", "COMPARE"):
        if after.type == "COMPARE" and after[0] == ">":
            return _elm_arrows(place)
        help = "write `or`" if after.type == "VBAR" else "the arrow of a pipeline is `->`"
        return place.report("E0107", f"`|{after[0]}` is not an operator in .net files", help=help)
    if token.type in ("PLUS", "MINUS", "STAR", "SLASH", "AT") and after.type == "EQUAL" and joined:
        end = place.source.text.find("\n", after.end_pos)
        value = place.source.text[after.end_pos : end if end >= 0 else None].strip()
        name = place.previous
        help = f"a name has one value: write `{name}2 = {name} {token} {value}`, and go on with `{name}2`"
        return place.report("E0107", f"`{token}=` is not an operator in .net files", help=help)
    return None


def _elm_arrows(place: Place) -> Diagnostic:
    """`x |> f |> g`: all arrows of the line together."""
    assert place.token is not None
    start = place.token.start_pos
    end = place.source.text.find("\n", start)
    line = place.source.text[start : end if end >= 0 else None]
    spans = [place.source.span(start + m.start(), start + m.end()) for m in re.finditer(r"\|>", line)]
    labels = (Label(spans[0]), *(Label(span, "and here") for span in spans[1:]))
    edits = tuple(replacement(span, "->") for span in spans)
    message = "`|>` is not an operator in .net files"
    return Diagnostic("E0107", message, labels, "the arrow of a pipeline is `->`", fixes=edits)


def _chained_comparison(place: Place) -> Diagnostic | None:
    token = place.token
    if token is None or token.type != "COMPARE" or "AND" not in place.accepts:
        return None
    return place.report("E0107", "comparisons do not chain", help="write `a < b and b < c`")


def _several_outputs(place: Place) -> Diagnostic | None:
    token = place.token
    if token is None or token.type != "COMMA" or "LBRACE" not in place.accepts:
        return None
    if place.tokens[0].type not in ("MODEL", "BLOCK", "CELL"):
        return None
    help = "several outputs are written in parentheses: `-> (a: [B, 4], b: [B, 4])`"
    return place.report("E0107", "`,` is not allowed here", help=help)


def _bare_point(place: Place) -> Diagnostic | None:
    """`.5` and `5.`."""
    token, previous = place.token, place.previous
    if token is not None and token.type == "DOT" and place.following and place.following.type == "INT":
        help = f"write `0.{place.following}`"
        return place.report("E0107", "a number cannot start with a decimal point", help=help)
    before = place.tokens[place.index - 2] if place.index > 1 else None
    if previous is not None and previous.type == "DOT" and before is not None and before.type == "INT":
        label = (Label(span_of(place.source, previous)),)
        return Diagnostic("E0107", "a number cannot end with a decimal point", label, f"write `{before}.0`")
    return None


def _dictionary(place: Place) -> Diagnostic | None:
    token = place.token
    if token is None or token.type != "LBRACE" or not {"INT", "LSQB"} <= place.accepts:
        return None
    if "RETURN" in place.accepts:
        return None
    return place.report("E0107", "`{` does not start a value", help="a list is written `[1, 2]`")


HABITS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    *PYTHON_HABITS,
    *CONTROL_HABITS,
    *HEADER_HABITS,
    *SCRIPT_HABITS,
    *SECTION_HABITS,
    *STATEMENT_HABITS,
    _item,
    _after_item_word,
    *BARE_STATEMENTS,
    _comment,
    _colon_for_equal,
    _statement_word,
    _for_range,
    _elif,
    _other_arrows,
    _chained_comparison,
    _several_outputs,
    _bare_point,
    _dictionary,
)
