"""The text of formatted items: lines, indentation, comments and blank lines."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.formatter.breaking import Lines
from netdsl.formatter.code import CLOSERS, OPENERS, Code
from netdsl.formatter.gaps import Gap


class Writer:
    """Collects the lines of a file, item by item."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._previous: s.Item | None = None

    def add_item(self, code: Code) -> None:
        lines = Lines(code)
        self._before_item(code)
        for start, end in lines.ranges():
            if start > 0:
                after_opener, before_closer = code.types[start - 1] in OPENERS, code.types[start] in CLOSERS
                indent = lines.comment_indent(start)
                self._gap(code.gaps[start], indent, above=not after_opener, below=not before_closer)
            self._lines.append(" " * lines.indents[start] + lines.text(start, end))
        self._previous = code.item

    def finish(self, gap: Gap) -> str:
        """The full text, with the comments that follow the last item."""
        self._gap(gap, 0, below=False)
        return "\n".join(self._lines) + "\n"

    def _before_item(self, code: Code) -> None:
        """One blank line between items; only imports may follow each other without one."""
        imports = isinstance(self._previous, s.Import) and isinstance(code.item, s.Import)
        gap = code.gaps[0]
        self._gap(gap if self._previous is None or imports else gap.with_blank(), 0)

    def _gap(self, gap: Gap, indent: int, *, above: bool = True, below: bool = True) -> None:
        """Write comments; `above` and `below` say whether blank lines may be at either end."""
        for number, comment in enumerate(gap.comments):
            if number == 0 and not comment.own_line and self._lines:
                self._lines[-1] += f"  {comment.text}"
                continue
            if comment.after_blank and above:
                self._blank()
            self._lines.append(" " * indent + comment.text)
            above = True
        if gap.blank and above and below:
            self._blank()

    def _blank(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")
