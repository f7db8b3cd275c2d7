"""The canonical form of a `.net` file.

Lines stay where their author ended them; indentation, spaces, blank lines and lines of more than 100
columns do not. Tokens, their order and all comments are kept, so the syntax tree stays the same.
"""

from __future__ import annotations

from netdsl.diffs import diff_of_texts
from netdsl.formatter.code import Code
from netdsl.formatter.gaps import read_gap
from netdsl.formatter.writer import Writer
from netdsl.parsing.layout import lay_out
from netdsl.parsing.parser import parse
from netdsl.source import Source

__all__ = ["diff_text", "format_text", "is_canonical"]


def format_text(source: Source) -> str:
    """The source in canonical form.

    Raises:
        NetError: the source does not parse.
    """
    syntax = parse(source)
    writer = Writer()
    end = 0
    for part, item in zip(lay_out(source, syntax.tokens), syntax.file.items, strict=True):
        code = Code(source, part.tokens, end, item)
        writer.add_item(code)
        end = code.end
    return writer.finish(read_gap(source.text[end:]))


def is_canonical(source: Source) -> bool:
    """Whether formatting changes nothing. Raises `NetError` if the source does not parse."""
    return format_text(source) == source.text


def diff_text(source: Source) -> str:
    """The unified diff from the source to its canonical form, empty if they are equal.

    Raises:
        NetError: the source does not parse.
    """
    return diff_of_texts(source.text, format_text(source), source.name, f"{source.name} (formatted)")
