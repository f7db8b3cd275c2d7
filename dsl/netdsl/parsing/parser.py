"""From text to syntax tree.

Each top-level item is parsed by itself, and in an item with mistakes each statement, so that all of them are
reported. The tree is lossless together with the tokens: `Syntax.tokens` and the text between them give the
source back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.diagnostics import MAX_ERRORS, Diagnostic, Label, NetError, cap
from netdsl.edits import Edit, replacement
from netdsl.immutable import immutable
from netdsl.parsing.items import item_of
from netdsl.parsing.layout import LANGUAGE, ItemTokens, lay_out
from netdsl.parsing.lexing import tokenize, without_comments
from netdsl.parsing.token import Token
from netdsl.source import Source
from netdsl.syntax import BrokenItem, File, Header, Item


@immutable
class Syntax:
    """A parsed file: the tree, and the tokens it was made from (newlines included).

    What could not be read is in `findings`, and `Broken`, `Unknown` or `BrokenItem` in the tree.
    """

    source: Source
    file: File
    tokens: tuple[Token, ...]
    findings: tuple[Diagnostic, ...] = ()


def parse(source: Source, *, is_file: bool = True) -> Syntax:
    """The syntax tree of a source without mistakes.

    Args:
        is_file: Whether the text is a file, which says first which version it is written in.

    Raises:
        NetError: with a diagnostic for each statement that cannot be read.
    """
    syntax = read(source, is_file=is_file)
    if syntax.findings:
        raise NetError(cap(syntax.findings))
    return syntax


def read(source: Source, *, is_file: bool = True) -> Syntax:
    """The syntax tree of a source, with all that can be read of it.

    Raises:
        NetError: E0601 for a source that is too long, or more mistakes than are listed.
    """
    tokens, findings = tokenize(source)
    rest, comments = without_comments(source, tokens)
    syntax = _read_tokens(source, tokens, is_file)
    if comments and syntax.findings:
        other = _read_tokens(source, rest, is_file)
        if len(other.findings) < len(syntax.findings):
            syntax, findings = other, findings + comments
    if len(findings) + len(syntax.findings) > MAX_ERRORS:
        raise NetError(cap([*findings, *syntax.findings]))
    every = (*findings, *syntax.findings)
    found = sorted(
        (one for one in every if not _is_replaced(one, syntax.findings)),
        key=lambda d: d.span.start if d.span else 0,
    )
    return replace(syntax, findings=tuple(found))


def read_items(source: Source, start: int, end: int) -> tuple[Item, ...]:
    """The items in a part of a source without mistakes."""
    return _read_tokens(source, tokenize(source, start, end)[0], is_file=False).file.items


def _is_replaced(finding: Diagnostic, others: Sequence[Diagnostic]) -> bool:
    """Whether another finding replaces the lines with this one, and its text with it."""
    at = finding.span
    edits = (edit for one in others if one is not finding for edit in one.fixes)
    return at is not None and any(
        e.span.start < at.start and at.end < e.span.end and at.text not in e.text for e in edits
    )


def _read_tokens(source: Source, tokens: list[Token], is_file: bool) -> Syntax:
    """The syntax tree of tokens, and what the grammar refuses."""
    findings: list[Diagnostic] = []
    parts = lay_out(source, tokens)
    items: list[Item] = []
    was_wrong = False
    for part, raw in zip(parts, _raw_tokens(parts, tokens), strict=True):
        if was_wrong and _continues(part):
            continue
        item, wrong = _read_part(source, part, raw)
        items.append(item)
        findings += wrong
        was_wrong = bool(wrong)
        if len(findings) > MAX_ERRORS:
            break
    findings += _check_header(source, items) if is_file else []
    file = File(source.span(0, len(source.text)), tuple(items))
    return Syntax(source, file, tuple(tokens), tuple(findings))


def _raw_tokens(parts: Sequence[ItemTokens], tokens: Sequence[Token]) -> list[list[Token]]:
    """For each part all tokens of the text from its first one on, new lines included."""
    starts = {part.tokens[0].start_pos for part in parts}
    raw: list[list[Token]] = []
    for token in tokens:
        if token.start_pos in starts and token.type != "NEWLINE":
            raw.append([])
        if raw:
            raw[-1].append(token)
    return raw


def _continues(part: ItemTokens) -> bool:
    """Whether a part that follows a mistake is its echo: the rest of an item, which is indented."""
    return part.tokens[0].column != 1 or part.tokens[0].type in ("RBRACE", "RPAR", "RSQB")


def _read_part(source: Source, part: ItemTokens, raw: Sequence[Token]) -> tuple[Item, list[Diagnostic]]:
    """The item with all of it that can be read, and what is wrong with it."""
    item = item_of(source, part.tokens) if part.bracket is None else None
    if item is not None:
        return item
    from netdsl.parsing.mistakes import read_with_mistakes  # most texts have none

    return read_with_mistakes(source, part, raw)


def _check_header(source: Source, items: Sequence[Item]) -> list[Diagnostic]:
    ours = f"{LANGUAGE[0]}.{LANGUAGE[1]}"
    if items and isinstance(items[0], BrokenItem) and items[0].kind == "net":
        return []
    if not items or not isinstance(items[0], Header):
        at = source.span(items[0].span.start, items[0].span.start) if items else source.span(0, 0)
        message = "the file does not say which version of the language it is written in"
        edit = Edit(at, f"net {ours}\n\n", f"insert `net {ours}`")
        help = f"start the file with `net {ours}`"
        return [Diagnostic("E0110", message, (Label(at),), help, fixes=(edit,))]
    first = Label(items[0].span, "the first is here")
    found = [
        Diagnostic(
            "E0111",
            "the version is given twice",
            (Label(item.span), first),
            "keep the first one",
            fixes=(replacement(item.span, ""),),
        )
        for item in items[1:]
        if isinstance(item, Header)
    ]
    version = (items[0].major, items[0].minor)
    if version[0] != LANGUAGE[0] or version > LANGUAGE:
        message = (
            f"the file is written in `net {version[0]}.{version[1]}`, but this program reads `net {ours}`"
        )
        help = "install a newer netdsl" if version > LANGUAGE else f"write `net {ours}`"
        found.append(Diagnostic("E0112", message, (Label(items[0].span),), help))
    return found
