"""Edits of source text: what a message offers to change, as data that programs can apply."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.source import Source, Span


@immutable
class Edit:
    """One replacement in a source.

    Attributes:
        span: The range that is replaced; an empty one inserts.
        text: The new text.
        title: What the edit does, as an editor shows it in a menu.
        is_certain: Whether it is the only sensible way out, so that a program may apply it unasked.
    """

    span: Span
    text: str
    title: str = ""
    is_certain: bool = True

    def as_dict(self) -> dict[str, object]:
        """The edit for programs: offsets in characters, and the range as the Language Server Protocol has it.

        Lines and characters of `range` are counted from 0, characters in UTF-16 code units.
        """
        span = self.span
        return {
            "title": self.title,
            "certain": self.is_certain,
            "file": span.source.name,
            "start": span.start,
            "end": span.end,
            "range": {"start": _position(span.source, span.start), "end": _position(span.source, span.end)},
            "text": self.text,
        }


def replacement(span: Span, text: str, *, is_certain: bool = True) -> Edit:
    """The edit that replaces a span, with a title that says so."""
    if not text:
        title = f"remove `{span.text}`"
    elif span.start == span.end:
        title = f"insert `{text.strip()}`"
    else:
        title = f"replace `{span.text}` with `{text}`"
    return Edit(span, text, title, is_certain)


def apply_edits(source: Source, edits: Iterable[Edit]) -> str:
    """The text of a source after the edits of it; of two that overlap, the earlier is applied."""
    text, end, parts = source.text, 0, list[str]()
    for edit in sorted(set(edits), key=lambda edit: (edit.span.start, edit.span.end)):
        if edit.span.source.name != source.name or edit.span.start < end:
            continue
        parts += [text[end : edit.span.start], edit.text]
        end = edit.span.end
    return "".join([*parts, text[end:]])


def _position(source: Source, offset: int) -> dict[str, int]:
    line, column = source.position(offset)
    before = source.text[offset - column + 1 : offset]
    return {"line": line - 1, "character": len(before.encode("utf-16-le", "surrogatepass")) // 2}
