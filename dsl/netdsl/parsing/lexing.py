"""From text to tokens: characters without a meaning are reported, and replaced by what they are meant to be.

A `→` becomes the token `->`, and `'relu'` a string, so that the rest of the line is read as it is meant.
Where that is not known, the token is `BAD`: its statement cannot be read, and nothing more is said about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from netdsl.diagnostics import MAX_ERRORS, Diagnostic, Label, NetError, cap, error
from netdsl.edits import Edit, replacement
from netdsl.parsing.layout import MAX_SOURCE_BYTES, span_of
from netdsl.parsing.token import Token
from netdsl.source import Source
from netdsl.work import spend
from netgrammar.tables import tables

BAD = "BAD"
"""The type of a token that stands for characters without a meaning."""
MAX_NAME = 1_000
"""The most characters of a name: names become label paths, which are written many times."""
TOKEN_STEPS = 3
"""The work of reading one token."""
_RUNS = "&|"
_HELPS = {
    ";": "statements end with their line; remove the `;`",
    "'": 'strings are written in double quotes: "..."',
    "$": "a value from outside is an entry of `config`",
    "\\": "remove it; a line continues after an operator and before `->`",
    "`": "names are written without quotes",
    "\ufeff": "remove it; the mark belongs at the very start of a file",
    "\xa0": "this is a no-break space; type a plain one",
    "²": "write `**2`",
    "^": "a power is written `**`",
    **dict.fromkeys("“”„‘’", 'strings are written in double quotes: "..."'),
}
"""What to do about a character without a meaning."""
_MEANT = {
    "&": ("AND", "and"),
    "!": ("NOT", "not"),
    "^": ("POWER", "**"),
    **dict.fromkeys("→⇒➜⟶", ("ARROW", "->")),
    **dict.fromkeys("−–—", ("MINUS", "-")),
    "×": ("STAR", "*"),
    "·": ("STAR", "*"),
    "÷": ("SLASH", "/"),
    "≤": ("COMPARE", "<="),
    "≥": ("COMPARE", ">="),
    "≠": ("COMPARE", "!="),
    "…": ("RANGE", ".."),
}
"""The token that a character stands for."""
_SPACES = {"\\": "", "`": "", "\ufeff": "", "\xa0": " "}
"""Characters that are read as a space, and what they are replaced by."""
_QUOTED = re.compile(r"'([^'\"\\\n]*)'|[“„”]([^“”„\"\\\n]*)[“”]|‘([^‘’\"\\\n]*)’")
_ARROWS = re.compile(r"[−–—]>")
_SIZE = re.compile(r"\?\s*[,\]]")
_CHOICE = re.compile(r"[=(,\[]\s*([^=(),?\[\]\n]+?)\s*\?\s*([^?:\n]+?)\s*:\s*([^?:,)\]\n]+)")
_WORDS = frozenset(("NAME", "INT", "FLOAT", "STRING"))
_AFTER_VALUES = frozenset(("within", "shared", "reverse", "states"))
"""Words that follow a value without anything between."""
_OTHER = re.compile(r"[^\x00-\x7f]+")


def tokenize(source: Source, start: int = 0, end: int | None = None) -> tuple[list[Token], list[Diagnostic]]:
    """All tokens of the text, newlines included; the text between two tokens is trivia.

    The findings are characters (E0101) and strings (E0102) that are no tokens. Only the text from `start` to
    `end` is read.

    Raises:
        NetError: the source is too long (E0601), or has more such characters than are listed.
    """
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > MAX_SOURCE_BYTES:
        raise error(
            "E0601",
            f"the source is {size:,} bytes long, but the limit is {MAX_SOURCE_BYTES:,}",
            source.span(0, 1),
            help="split the network into blocks and `import` them",
        )
    return _Lexer(source, start, len(source.text) if end is None else end).run()


class _Lexer:
    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source = source
        self.start, self.end = start, end
        self.tokens: list[Token] = []
        self.findings: list[Diagnostic] = []

    def run(self) -> tuple[list[Token], list[Diagnostic]]:
        spend((self.end - self.start) / 20)
        at = self.start
        while at < self.end:
            at = self._read(at)
            if at < self.end:
                at = self._skip(at)
            if len(self.findings) > MAX_ERRORS:
                raise NetError(cap(self.findings))
        self.findings += _long_names(self.source, self.tokens)
        return self.tokens, self.findings

    def _read(self, at: int) -> int:
        """Read tokens from a place on. Returns the place of the first character that starts no token."""
        grammar, text = tables(), self.source.text
        match, reserved, ignored = grammar.pattern.match, grammar.reserved, grammar.ignored
        line, column = self.source.position(at)
        line_start = at - column
        while (word := match(text, at, self.end)) is not None:
            kind, value, end = word.lastgroup or "", word.group(), word.end()
            if kind not in ignored:
                spend(TOKEN_STEPS)
                if kind == "NAME":
                    kind = reserved.get(value, kind)
                self.tokens.append(Token(kind, value, at, end, line, at - line_start))
            if kind == "NEWLINE":
                line, line_start = line + 1, end - 1
            at = end
        return at

    def _skip(self, at: int) -> int:
        """Report the characters at a place, and put what they mean in their stead. Returns where to go on."""
        text = self.source.text
        comment = self._comment_before() if self._is_prose(at) else None
        if comment is not None:
            self.findings.append(_comment(self.source, self.tokens[comment]))
            del self.tokens[comment:]
            return self._line_end(at)
        quoted = _QUOTED.match(text, at) if not (at and text[at - 1].isalnum()) else None
        end = quoted.end() if quoted else _end_of_bad(text, at)
        if quoted:
            content = next(group for group in quoted.groups() if group is not None)
            self._report(at, end, '"' + content + '"', _HELPS["'"], shown=text[at])
            self._put("STRING", f'"{content}"', at, end)
        elif text[at] == '"':
            label = (Label(self.source.span(at, end)),)
            self.findings.append(
                Diagnostic("E0102", "this string is not closed on its line", label, help='end it with `"`')
            )
            self._put(BAD, text[at:end], at, end)
        elif _ARROWS.match(text, at):
            self._report(at, at + 2, "->", "write `->`")
            self._put("ARROW", "->", at, at + 2)
            end = at + 2
        elif text[at] == "?":
            self._question(at)
        elif text[at] in _MEANT:
            kind, word = _MEANT[text[at]]
            self._report(
                at, end, f"{word} " if text[at] == "!" else word, _HELPS.get(text[at], f"write `{word}`")
            )
            self._put(kind, word, at, end)
        elif text[at] == ";":
            self._semicolon(at)
        else:
            self._other(at, end)
        return end

    def _question(self, at: int) -> None:
        """`?` as a size, and the choice of C, `a ? b : c`."""
        text = self.source.text
        if _SIZE.match(text, at) and self.tokens and self.tokens[-1].type in ("LSQB", "COMMA"):
            name = "B" if self.tokens[-1].type == "LSQB" else "T"
            self._report(at, at + 1, name, f"a size that is left free has a name: write `{name}`")
            self._put("NAME", name, at, at + 1)
            return
        start = text.rfind("\n", 0, at) + 1
        choice = next((c for c in _CHOICE.finditer(text, start) if c.start() < at < c.end()), None)
        if choice is None:
            self._other(at, at + 1)
            return
        condition, yes, no = (choice[n].strip() for n in (1, 2, 3))
        help = f"write `{yes} if {condition} else {no}`"
        span = self.source.span(*choice.span(1)).to(self.source.span(*choice.span(3)))
        edit = replacement(span, f"{yes} if {condition} else {no}")
        label = (Label(self.source.span(at, at + 1)),)
        message = "`?` has no meaning in a .net file"
        self.findings.append(Diagnostic("E0101", message, label, help=help, fixes=(edit,)))
        self._put(BAD, "?", at, at + 1)

    def _other(self, at: int, end: int) -> None:
        character = self.source.text[at]
        help = _HELPS.get(character)
        if character == "'" and at and self.source.text[at - 1].isalnum():
            help = "`'` is allowed only after the name of a state: `h'` is its next value"
        self._report(at, end, _SPACES.get(character), help)
        if character not in _SPACES:
            self._put(BAD, character, at, end)

    def _semicolon(self, at: int) -> None:
        """A `;` at the end of a line is left out; one inside a line ends the statement."""
        rest = self.source.text[at + 1 : self._line_end(at)].partition("#")[0].partition("//")[0]
        if rest.strip(" \t\r;}"):
            self._report(at, at + 1, "\n ", _HELPS[";"])
            self._put("NEWLINE", "\n", at, at + 1)
        else:
            self._report(at, at + 1, "", _HELPS[";"])

    def _is_prose(self, at: int) -> bool:
        """Whether a character belongs to prose, such as an apostrophe or a question mark."""
        text = self.source.text
        if text[at] in "'’":
            return bool(at) and text[at - 1].isalnum()
        if text[at] == "?" and (_SIZE.match(text, at) or ":" in text[at : self._line_end(at)]):
            return self._comment_before() is not None
        return text[at] != ";" and text[at] not in _MEANT and text[at] not in _HELPS

    def _comment_before(self) -> int | None:
        """The index of a `//` before this place on its line: what follows it is meant as a comment."""
        for index in range(len(self.tokens) - 1, -1, -1):
            if self.tokens[index].type == "NEWLINE":
                return None
            if self.tokens[index].type == "FLOORDIV":
                return index
        return None

    def _report(self, at: int, end: int, text: str | None, help: str | None, shown: str = "") -> None:
        """E0101, with the edit that puts `text` there; None for no edit."""
        span = self.source.span(at, end)
        character = self.source.text[at]
        shown = shown or (span.text if character.isprintable() else f"U+{ord(character):04X}")
        fixes: tuple[Edit, ...] = () if text is None else (replacement(span, text),)
        message = f"`{shown}` has no meaning in a .net file"
        self.findings.append(Diagnostic("E0101", message, (Label(span),), help=help, fixes=fixes))

    def _put(self, kind: str, text: str, at: int, end: int) -> None:
        self.tokens.append(Token(kind, text, at, end, *self.source.position(at)))

    def _line_end(self, at: int) -> int:
        end = self.source.text.find("\n", at)
        return len(self.source.text) if end < 0 else end


def without_comments(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens without what follows a `//` that seems to begin a comment, and a finding for each of those.

    Two words in a row divide nothing; but they may be of the next statement, so this is for texts that
    cannot be read otherwise.
    """
    kept: list[Token] = []
    findings: list[Diagnostic] = []
    for line in _lines(tokens):
        cut = _comment_start(line)
        kept += line[:cut]
        if cut < len(line):
            findings.append(_comment(source, line[cut]))
            kept += line[-1:] if line[-1].type == "NEWLINE" else []
    return kept, findings


def _lines(tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens of each line, with the new line at its end."""
    start = 0
    for index, token in enumerate(tokens):
        if token.type == "NEWLINE":
            yield tokens[start : index + 1]
            start = index + 1
    yield tokens[start:]


def _comment_start(line: list[Token]) -> int:
    """The index of the first `//` with two words in a row after it; the number of tokens if there is none."""
    slashes = [n for n, token in enumerate(line) if token.type == "FLOORDIV"]
    if not slashes:
        return len(line)
    pairs = pairwise(token for token in line[slashes[0] + 1 :] if token.type != "NEWLINE")
    is_comment = any(a.type in _WORDS and b.type in _WORDS and b not in _AFTER_VALUES for a, b in pairs)
    return slashes[0] if is_comment else len(line)


def _long_names(source: Source, tokens: Iterable[Token]) -> list[Diagnostic]:
    """E0604 for the first name that is too long."""
    for token in tokens:
        if token.type == "NAME" and len(token) > MAX_NAME:
            count = f"{len(token):,} characters long, but the limit is {MAX_NAME:,}"
            message = f"the name `{token[:20]}...` is {count}"
            return [Diagnostic("E0604", message, (Label(span_of(source, token)),), "use a shorter name")]
    return []


def _comment(source: Source, token: Token) -> Diagnostic:
    span = span_of(source, token)
    help = "a comment starts with `#`"
    fixes = (replacement(span, "#"),)
    return Diagnostic("E0107", f"`{token}` is not allowed here", (Label(span),), help, fixes=fixes)


def _end_of_bad(text: str, at: int) -> int:
    """Where a bad stretch ends: a string at its line's end, `&&` and foreign words as one, others alone."""
    if text[at] == '"':
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if (text[at] in _MEANT and text[at] not in _RUNS) or text[at] in _HELPS:
        return at + 1
    if text[at] in _RUNS:
        return at + 2 if text[at + 1 : at + 2] == text[at] else at + 1
    word = _OTHER.match(text, at)
    if word is None:
        return at + 1
    return next((n for n in range(at + 1, word.end()) if text[n] in _MEANT or text[n] in _HELPS), word.end())
