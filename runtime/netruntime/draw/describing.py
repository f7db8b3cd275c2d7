"""The texts of boxes: shapes, tooltips, and which labels say something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from netdsl.source import Span
from netdsl.types import TensorType, shape_text
from netruntime.draw.scene import SceneItem
from netruntime.quantities import number_text

MAX_LINE = 120
"""Longer source lines are cut in tooltips."""


def shapes_text(types: Sequence[TensorType]) -> str:
    """The output shapes; several equal ones as `4 × [B, 32]`. The usual f32 is left out."""
    texts = [shape_text(t.shape) if str(t.dtype) == "f32" else str(t) for t in types]
    if len(texts) > 1 and len(set(texts)) == 1:
        return f"{len(texts)} × {texts[0]}"
    return ", ".join(texts)


def tooltip(item: SceneItem, span: Span | None, doc: str, is_each: bool) -> str:
    """What a box is: its path, shape, weights, comment, and line in the source."""
    return "\n".join(_tooltip_lines(item, span, doc, is_each))


def _tooltip_lines(item: SceneItem, span: Span | None, doc: str, is_each: bool) -> Iterator[str]:
    head = f"{item.path}: {item.title}" if item.title else item.path
    yield f"{head} × {item.copies}" if item.copies > 1 else head
    if item.shape:
        yield item.shape
    each = " each" if is_each else ""
    if item.parameters:
        yield f"{number_text(item.parameters)} parameters{each}"
    elif item.is_shared:
        yield "shares its weights"
    if item.buffers:
        yield f"{number_text(item.buffers)} numbers in buffers{each}, not trained"
    if doc:
        yield doc
    if span is not None:
        yield f"{PurePath(span.source.name).name}:{span.line}:{span.column}  {_excerpt(span)}"


def _excerpt(span: Span) -> str:
    """The source line of a span, cut where it is long."""
    line, start = span.source.line(span.line), span.column - 1
    if len(line) <= MAX_LINE:
        return line.strip()
    begin = max(0, start - MAX_LINE // 4)
    return ("…" if begin else "") + line[begin : begin + MAX_LINE].strip() + "…"


def is_automatic(label: str, name: str) -> bool:
    """Whether a label was derived from a name: `tanh_2` from `tanh`, `avg_pool` from `AvgPool`."""
    head, _, count = label.rpartition("_")
    plain = head if head and count.isdigit() else label
    return plain.replace("_", "").lower() == name.replace("_", "").lower()
