"""An item with mistakes: it is read statement by statement, and each mistake is described."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from netdsl.diagnostics import MAX_ERRORS, Diagnostic, Label
from netdsl.parsing.corrected import corrected
from netdsl.parsing.driver import accepted, refused
from netdsl.parsing.errors import unexpected
from netdsl.parsing.habits.bare import without_echoes_of_layers
from netdsl.parsing.habits.control import without_echoes_of_control
from netdsl.parsing.habits.python_habits import tuple_brackets, without_echoes_of_python
from netdsl.parsing.items import item_of
from netdsl.parsing.layout import ItemTokens, lay_out, span_of
from netdsl.parsing.lexing import BAD
from netdsl.parsing.places import Place
from netdsl.parsing.recovery import (
    Parts,
    Piece,
    broken_item,
    names_of,
    placeholder,
    plain_header,
    take_apart,
    take_apart_by_layout,
    with_broken,
)
from netdsl.parsing.token import Token
from netdsl.source import Source
from netdsl.syntax import Block, Item
from netdsl.work import spend

DIAGNOSIS_STEPS = 300
"""The work of finding out what is wrong with a statement."""
ACCEPTANCE_STEPS = 15
"""The work of each token before it, to find out what may follow."""
MAX_TUPLES = 20
"""How many tuples of one statement are read on as lists."""
TOO_LARGE = ("E0602", "E0604")
"""Codes of items that are not read at all, because they nest too deep or are too long."""


def read_with_mistakes(
    source: Source, part: ItemTokens, raw: Sequence[Token]
) -> tuple[Item, list[Diagnostic]]:
    """The item with all of it that can be read, and what is wrong with it.

    Args:
        raw: The tokens of the text from the item's first one on, new lines included.
    """
    if part.bracket is not None and part.bracket.code in TOO_LARGE:
        return broken_item(source, part.tokens), [part.bracket]
    parts = take_apart(part) if part.bracket is None else take_apart_by_layout(raw)
    if parts is None:
        return broken_item(source, part.tokens), _without_bad(part.tokens, [_diagnose(source, part)])
    return _Recovery(source, part, raw, parts).run()


def _without_bad(tokens: Sequence[Token], found: list[Diagnostic]) -> list[Diagnostic]:
    """No findings for tokens among which are some that were reported already."""
    return [] if any(token.type == BAD for token in tokens) else found


def _diagnose(source: Source, part: ItemTokens) -> Diagnostic:
    """What is wrong with an item; of a bracket and a token that do not fit, the one that is noticed first.

    A `)` left out is noticed late by counting, but at once by the grammar: at the `->` after it.
    """
    spend(DIAGNOSIS_STEPS)
    at = refused(part.tokens)
    if part.bracket is not None and (at is None or part.noticed <= _position(part.tokens, at)):
        return part.bracket
    assert at is not None
    return unexpected(source, part.tokens, at, _accepted(part.tokens[:at]), part.unclosed)


@dataclass
class _Recovery:
    """An item that is read statement by statement."""

    source: Source
    part: ItemTokens
    raw: Sequence[Token]
    parts: Parts
    by_layout: bool = False

    def run(self) -> tuple[Item, list[Diagnostic]]:
        self.by_layout = self.part.bracket is not None
        kind = str(self.parts.header[0]).upper()
        header = self._header(self.parts.header)
        is_sound = header is not None
        header = header or self._corrected_header()
        usable = header or plain_header(kind, self.parts.header[-1])
        self._check_all(usable)
        broken = [piece for piece in self.parts.pieces if piece.is_broken]
        if not self.by_layout and any(piece.swallows_a_line(kind == "CONFIG") for piece in broken):
            self.by_layout, self.parts = True, take_apart_by_layout(self.raw) or self.parts
            self._check_all(usable)
        self._add_own_finding(is_sound)
        broken = [piece for piece in self.parts.pieces if piece.is_broken]
        findings = [*self.parts.findings, *(f for p in self.parts.pieces for f in p.findings())]
        findings = without_echoes_of_control(without_echoes_of_layers(without_echoes_of_python(findings)))
        assembled = item_of(self.source, self._assembled(usable, kind))
        item, others = assembled if assembled is not None else (None, [])
        if item is not None and header is not None:
            return with_broken(item, broken, self.source), findings + others
        unread = broken_item(self.source, self.part.tokens)
        findings = findings or [_diagnose(self.source, self.part)]
        if isinstance(item, Block):
            read = with_broken(item, broken, self.source)
            words = names_of(self.source, self.parts.header)
            return replace(unread, words=words, body=read.body), findings + others
        return unread, findings

    def _header(self, header: Sequence[Token]) -> list[Token] | None:
        """The header with its `{`, typed as the grammar has it; None if it cannot be read."""
        laid = lay_out(self.source, header)[0].tokens
        return laid if laid[-1].type == "LBRACE" and _refused(laid) is None else None

    def _corrected_header(self) -> list[Token] | None:
        """The header as the message about it offers to write it, if it can be read then."""
        header = corrected(self.source, self.parts.header, _diagnose(self.source, self.part).fixes)
        return self._header(header) if header is not None else None

    def _check_all(self, header: list[Token]) -> None:
        broken = 0
        for n, piece in enumerate(self.parts.pieces):
            is_last = n == len(self.parts.pieces) - 1
            self._check(header, piece, is_last=is_last, is_listed=broken <= MAX_ERRORS)
            broken += piece.is_broken

    def _check(self, header: list[Token], piece: Piece, *, is_last: bool, is_listed: bool) -> None:
        """Find out what is wrong with a statement, behind a header that can be read.

        One that is not listed is only counted: a diagnosis may look at much of the text.
        """
        end = piece.end()
        if not self.by_layout:
            closer = self.parts.closer or end.update("RBRACE", "}")
            part = ItemTokens([*header, *piece.tokens, closer if is_last else end.update("NEWLINE")])
        else:
            part = lay_out(self.source, [*header, *piece.tokens, end.update("RBRACE", "}")])[0]
            piece.tokens = part.tokens[len(header) : -1] or piece.tokens
        refused = _refused(part.tokens)
        piece.is_broken = refused is not None or part.bracket is not None
        if piece.is_broken and not is_listed:
            at = (Label(span_of(self.source, piece.tokens[0])),)
            piece.finding = Diagnostic("E0107", "this statement cannot be read", at)
            return
        if piece.is_broken and part.bracket is None and self._as_list(part.tokens, refused, piece):
            self._check(header, piece, is_last=is_last, is_listed=is_listed)
            return
        if piece.is_broken and not any(token.type == BAD for token in piece.tokens):
            finding = _without_empty(_diagnose(self.source, part))
            unclosed = piece.unclosed()
            if finding.span and finding.span.start == header[-1].start_pos and unclosed is not None:
                finding = replace(finding, labels=(Label(span_of(self.source, unclosed)),))
                finding = replace(finding, message=f"this `{unclosed}` is not closed")
            piece.finding = finding

    def _as_list(self, tokens: Sequence[Token], refused: int | None, piece: Piece) -> bool:
        """Whether a statement is refused for a tuple alone, which is reported and read on as a list."""
        if refused is None or len(piece.tuples) >= MAX_TUPLES:
            return False
        accepts = frozenset(_accepted(tokens[:refused]))
        ends = tuple_brackets(Place(self.source, tokens, refused, accepts, None))
        if ends is None:
            return False
        piece.tuples.append(_diagnose(self.source, ItemTokens([*tokens])))
        for n, token in enumerate(piece.tokens):
            if any(token is tokens[end] for end in ends):
                piece.tokens[n] = token.update("LSQB" if token is tokens[ends[0]] else "RSQB")
        return True

    def _add_own_finding(self, header_is_sound: bool) -> None:
        """What is wrong with the item itself: its header, or the bracket that counting found at fault."""
        if self.part.bracket is None and header_is_sound:
            return
        if any(token.type == BAD for token in self.parts.header):
            return
        own = _diagnose(self.source, self.part)
        at = own.span.start if own.span else 0
        any_broken = any(piece.is_broken for piece in self.parts.pieces)
        piece = next((piece for piece in self.parts.pieces if piece.holds(at)), None)
        if piece is not None and (piece.is_broken or not any_broken):
            piece.finding, piece.is_broken = own, True
        elif piece is None and not (any_broken and self._is_closed(at)):
            self.parts.findings.append(own)

    def _is_closed(self, at: int) -> bool:
        """Whether a place is the `{` of the body, and the layout has its `}`."""
        return self.parts.closer is not None and at == self.parts.header[-1].start_pos

    def _assembled(self, header: list[Token], kind: str) -> list[Token]:
        """The item with placeholders for the statements that cannot be read."""
        tokens = list(header)
        for n, piece in enumerate(self.parts.pieces):
            tokens += [piece.end().update("NEWLINE")] if n else []
            tokens += placeholder(piece, kind) if piece.is_broken else piece.tokens
        return [*tokens, self.parts.closer or tokens[-1].update("RBRACE", "}")]


def _without_empty(finding: Diagnostic) -> Diagnostic:
    """The finding without labels at tokens that are not in the text."""
    first, *others = finding.labels
    return replace(finding, labels=(first, *(x for x in others if x.span.start < x.span.end)))


def _refused(tokens: Sequence[Token]) -> int | None:
    """The index of the token that the grammar refuses; None if more tokens could make these an item."""
    at = refused(tokens)
    return at if at is not None and at < len(tokens) else None


def _position(tokens: Sequence[Token], index: int) -> float:
    """Where in the text a token starts; the end of an item comes after all that was counted."""
    return tokens[index].start_pos if index < len(tokens) else math.inf


def _accepted(tokens: Sequence[Token]) -> set[str]:
    """The types of token that may follow some tokens."""
    spend(ACCEPTANCE_STEPS * len(tokens))
    return accepted(tokens)
