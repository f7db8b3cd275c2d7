"""Errors as data: what is wrong, where, the expected and the actual value, and what to do.

A `Diagnostic` is data; `render` turns it into the text that people read. Every error that a user can
cause is a `NetError`, which carries one or more diagnostics.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from difflib import SequenceMatcher, get_close_matches
from traceback import walk_tb
from types import TracebackType

from netdsl.edits import Edit, replacement
from netdsl.immutable import immutable
from netdsl.source import Span
from netdsl.synonyms import SYNONYMS
from netdsl.work import spend

MAX_ERRORS = 50
"""More findings than this are not listed."""

MAX_PLACES = 6
"""The largest number of further places at which one finding is shown."""
MAX_MESSAGE = 2_000
"""The most characters of a message, a note or a way out: one may quote a size or a piece of the source."""

COMPARISON_STEPS = 4
MAX_CANDIDATES = 1_000
"""The most names among which a misspelt one is looked for."""

LIKELY = 0.65
"""The share of letters in common from which on a word is offered for a name."""

MAX_LINE = 160
"""Longer source lines are cut around the caret when shown."""


@immutable
class Label:
    """A place in the source and a note about it."""

    span: Span
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _readable(self.text))


@immutable
class Diagnostic:
    """One finding. The first label is its place; the others are the places it conflicts with.

    `code` names the explanation that `netrun explain` prints. `path` is the label path of the block
    in which it was found, if any. `severity` is `error`, `warning` or `hint`. `fixes` are edits that
    remove the cause; a help from `suggest` brings its own.
    """

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    help: str | None = None
    path: str = ""
    severity: str = "error"
    fixes: tuple[Edit, ...] = ()
    cause: object = field(default=None, compare=False, repr=False)
    """What the finding is about, while ways out of it are being tried."""

    def __post_init__(self) -> None:
        if not self.fixes and isinstance(self.help, Suggestion) and self.span is not None:
            object.__setattr__(self, "fixes", self.help.edits(self.span))
        object.__setattr__(self, "message", _readable(self.message))
        object.__setattr__(self, "help", self.help and _readable(self.help))

    @property
    def span(self) -> Span | None:
        return self.labels[0].span if self.labels else None

    def as_dict(self) -> dict[str, object]:
        """The finding for programs, as `--json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "labels": [_label_dict(label) for label in self.labels],
            "help": self.help,
            "path": self.path or None,
            "fixes": [edit.as_dict() for edit in self.fixes],
        }


class NetError(Exception):
    """Base of every error that a user of the language or the runtime can cause."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__("\n\n".join(render(d) for d in found))
        self.diagnostics = found

    def __reduce__(self) -> tuple[type[NetError], tuple[tuple[Diagnostic, ...]]]:
        """Pickles the diagnostics: an error in a worker process arrives as it was raised."""
        return type(self), (self.diagnostics,)

    @property
    def code(self) -> str:
        return self.diagnostics[0].code

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show: the calls in the code of the user, and the message."""
        return [*_own_calls(self.__traceback__), *str(self).splitlines()]


def _own_calls(traceback: TracebackType | None) -> Iterator[str]:
    """The lines of the user's code that lead to the first call of the library, outermost first."""
    for frame, line in walk_tb(traceback):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in ("netdsl", "netruntime"):
            return
        if package not in ("IPython", "ipykernel"):
            file = frame.f_code.co_filename
            place = f"line {line}" if frame.f_globals.get("__name__") == "__main__" else f"{file}:{line}"
            yield f"{place}: {linecache.getline(file, line, frame.f_globals).strip()}"


def error(
    code: str,
    message: str,
    span: Span | None = None,
    text: str = "",
    *,
    also: Sequence[Label] = (),
    help: str | None = None,
    path: str = "",
    fixes: Sequence[Edit] = (),
) -> NetError:
    """A `NetError` of one diagnostic, from its parts."""
    first = (Label(span, text),) if span else ()
    return NetError(Diagnostic(code, message, first + tuple(also), help, path, fixes=tuple(fixes)))


def merged(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The findings with those that say the same as an earlier one shown as more places of that one.

    Syntax errors are kept apart, as each place is edited by itself; not so words that are no names (E0106).
    """
    groups: dict[object, list[Diagnostic]] = {}
    for n, one in enumerate(found):
        texts = tuple(label.text for label in one.labels)
        is_alone = one.span is None or (one.code.startswith("E01") and one.code != "E0106")
        key = n if is_alone else (one.code, one.severity, one.message, one.help, one.path, texts)
        groups.setdefault(key, []).append(one)
    return [_with_places(*group) for group in groups.values()]


def _with_places(first: Diagnostic, *others: Diagnostic) -> Diagnostic:
    """A finding with the places of others that say the same: the first few are shown, the rest counted."""
    if not others:
        return first
    spans = [other.labels[0].span for other in others[:MAX_PLACES]]
    texts = ["and here"] * len(spans)
    if len(others) > MAX_PLACES:
        texts[-1] = f"and here, and at {len(others) - MAX_PLACES} more places"
    labels = [Label(span, text) for span, text in zip(spans, texts, strict=True)]
    fixes = dict.fromkeys(edit for one in (first, *others) for edit in one.fixes)
    return replace(first, labels=(*first.labels, *labels), fixes=tuple(fixes))


def cap(
    found: Sequence[Diagnostic], severity: str = "error", *, is_complete: bool = True
) -> list[Diagnostic]:
    """The first `MAX_ERRORS` findings, and a last one that says so if there are more.

    Args:
        is_complete: Whether these are all; otherwise there may be more.
    """
    if len(found) <= MAX_ERRORS:
        return list(found)
    at_least = "" if is_complete else "at least "
    message = f"{at_least}{len(found) - MAX_ERRORS} more {severity}s are not listed"
    help = "fix the first ones and check again"
    return [*found[:MAX_ERRORS], Diagnostic("E0608", message, help=help, severity=severity)]


class Suggestion(str):
    """A help that names one word to write instead of another: ``did you mean `Linear`?``."""

    name: str
    word: str
    is_certain: bool
    is_close: bool
    """Whether it is very likely that the word was meant, even if it is not the only one."""

    @classmethod
    def of(cls, text: str, name: str, word: str, *, is_certain: bool, is_close: bool) -> Suggestion:
        """The help `text`, which offers `word` for `name`."""
        help = cls(text)
        help.name, help.word, help.is_certain, help.is_close = name, word, is_certain, is_close
        return help

    def edits(self, span: Span) -> tuple[Edit, ...]:
        """The edit at a place that holds the name; none where the place holds something else."""
        if span.text != self.name:
            return ()
        return (replacement(span, self.word, is_certain=self.is_certain),)


SAME_EVERYWHERE = frozenset("true false none f16 bf16 f32 f64 i8 u8 i32 i64 bool str".split())
"""Counterparts of foreign words that mean exactly the same, so that writing them cannot be wrong."""


def suggest(name: str, known: Iterable[str]) -> Suggestion | None:
    """`did you mean `x`?` for the nearest known name, or None if nothing is near.

    A name that other frameworks use for a known one counts as near; a single letter is near nothing.
    """
    known = list(known)
    ours = SYNONYMS.get(name.lower())
    if ours is not None and ours in known:
        is_certain = ours in SAME_EVERYWHERE or ours.lower() == name.lower()
        return Suggestion.of(f"it is called `{ours}` here", name, ours, is_certain=is_certain, is_close=True)
    if len(name) < 2:
        return None
    known.sort(
        key=lambda k: k[:1].isupper() == name[0].isupper()
    )  # of `linear` and `Linear`, the one in its case
    candidates = {k.lower(): k for k in known if 0.3 * (len(name) + len(k)) <= min(len(name), len(k))}
    if len(name) > MAX_LINE or len(candidates) > MAX_CANDIDATES:
        return None
    spend(COMPARISON_STEPS * len(candidates))
    close = get_close_matches(name.lower(), candidates, n=4, cutoff=0.6)
    word = next((candidates[k] for k in close if _is_likely(name, candidates[k])), None)
    if word is None:
        return None
    is_close = _is_slip(name, word)
    others = [k for k in known if k != word and k[:1].isupper() == word[:1].isupper()]
    is_same = name.lower() == word.lower()
    is_certain = is_close and not any(
        k.lower() == name.lower() if is_same else _is_slip(name, k) for k in others
    )
    return Suggestion.of(f"did you mean `{word}`?", name, word, is_certain=is_certain, is_close=is_close)


def _is_likely(name: str, word: str) -> bool:
    """Whether a word whose letters are close to those of a name may be what it means.

    A slip rarely changes the first letter, and a block is not meant by the name of an operator.
    """
    if _is_slip(name, word):
        return True
    a, b = name.lower(), word.lower()
    if f"_{a}_" in f"_{b}_" or f"_{b}_" in f"_{a}_":
        return True
    return a[0] == b[0] and name[0].isupper() == word[0].isupper() and _ratio(a, b) >= LIKELY


def _ratio(a: str, b: str) -> float:
    return SequenceMatcher(None, b, a).ratio()


def _is_slip(name: str, word: str) -> bool:
    """Whether one slip of the keyboard makes a name of a word: a letter more, less, other, or two swapped.

    Of names with less than four letters only case counts, and of four another first letter does not: too many
    are one letter away from each other, as `last` and `cast`.
    """
    a, b = name.lower(), word.lower()
    if a == b:
        return True
    if min(len(a), len(b)) < 4 or abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    swapped = len(a) == len(b) and a[:2] == b[1::-1] and a[2:] == b[2:]
    is_other = a[1:] == b[1:] and not (start == 0 and len(a) == len(b) == 4)
    return swapped or is_other or a[1:] == b or a == b[1:]


def article(word: str) -> str:
    """The article before a word: `an` before a vowel."""
    return "an" if word[:1].lower() in "aeio" else "a"


def with_article(word: str) -> str:
    """A word after its article: `an int`, `a list`."""
    return f"{article(word)} {word}"


def render(diagnostic: Diagnostic) -> str:
    """The text of a diagnostic, with source lines and carets."""
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    labels = _visible(diagnostic.labels)
    width = max((len(str(label.span.line)) for label in labels), default=1) + 1
    for previous, label in zip((None, *labels), labels, strict=False):
        lines += _render_label(label, previous, width)
    gutter = " " * width
    if diagnostic.path:
        lines.append(f"{gutter} = in: {_short(diagnostic.path)}")
    if diagnostic.help:
        lines.append(f"{gutter} = help: {diagnostic.help}")
    return "\n".join(lines)


def _readable(text: str) -> str:
    """The text without its middle if it is too long."""
    half = MAX_MESSAGE // 2
    return text if len(text) <= MAX_MESSAGE else f"{text[:half]} ... {text[-half:]}"


def _short(path: str) -> str:
    return path if len(path) <= MAX_LINE // 2 else f"{path[:30]} ... {path[-30:]}"


def _visible(labels: Sequence[Label]) -> list[Label]:
    """The labels without repetitions of a place already shown with the same words."""
    seen: set[tuple[Span, str]] = set()
    kept = []
    for label in labels:
        if (label.span, label.text) not in seen:
            seen.add((label.span, label.text))
            kept.append(label)
    return kept


def _render_label(label: Label, previous: Label | None, width: int) -> list[str]:
    span, source = label.span, label.span.source
    lines = []
    if previous is None or previous.span.source is not source:
        lines.append(f"{' ' * width}{'-->' if previous is None else ':::'} {span}")
    text, column, length = _window(source.line(span.line), span.column, span)
    if previous is None or previous.span.source is not source or previous.span.line != span.line:
        lines.append(f"{span.line:>{width}} | {text}")
    mark = ("^" if previous is None else "-") * length
    lines.append(f"{' ' * width} | {_blank(text[: column - 1])}{mark} {label.text}".rstrip())
    return lines


def _window(line: str, column: int, span: Span) -> tuple[str, int, int]:
    """The line cut to a readable width, the column in it, and how many characters to mark."""
    length = max(1, min(span.end - span.start, len(line) - column + 1))
    if len(line) <= MAX_LINE:
        return line, column, length
    start = max(0, column - 1 - MAX_LINE // 2)
    lead = "..." if start else ""
    text = lead + line[start : start + MAX_LINE]
    shift = column - start + len(lead)
    return text, shift, max(1, min(length, len(text) - shift + 1))


def _blank(text: str) -> str:
    return "".join("\t" if c == "\t" else " " for c in text)


def _label_dict(label: Label) -> dict[str, object]:
    span = label.span
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end_line,
        "end_column": end_column,
        "text": label.text,
    }
