"""Patterns of einops, as the arrow between axis names: `rearrange(x, "b (h w) c -> b c h w", h=4)`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netdsl import syntax as s
from netdsl.arrivals.translate import text_of
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor
from netdsl.edits import replacement

_AXIS = re.compile(r"\(([^()]*)\)|(\.\.\.)|(\w+)")


def check_pattern(scope: Scope, expr: s.Call, piped: Sequence[Tensor]) -> None:
    """Raise E0406 for a pattern of einops, with the arrow and the sizes to write instead."""
    texts = [a.value for a in expr.arguments if isinstance(a.value, s.Text)]
    values = [a.value for a in expr.arguments if a.name is None and not isinstance(a.value, s.Text)]
    if len(texts) != 1 or texts[0].value.count("->") != 1 or len(values) + len(piped) != 1:
        return
    bound = scope.names.get(values[0].span.text) if values else None
    tensor = piped[0] if piped else bound.value if bound is not None else None
    given = {a.name.text: text_of(a.value) for a in expr.arguments if a.name is not None}
    reading = _Pattern(scope, given, tensor if isinstance(tensor, Tensor) else None)
    left, _, right = texts[0].value.partition("->")
    arrow = f"[{reading.axes(left)}] => [{reading.axes(right)}]"
    text = f"{values[0].span.text} -> {arrow}" if values else arrow
    source = expr.span.source.text
    before = source[: expr.span.start]
    if values and not before.rstrip().endswith(("=", "return")):
        text = f"({text})"
    start = before.rfind("\n") + 1
    indent = before[start : len(before) - len(before[start:].lstrip())]
    line = expr.span.source.span(start, start)
    edits = [replacement(expr.span, text), *(replacement(line, f"{indent}{let}\n") for let in reading.lets)]
    help = " and ".join(f"`{part}`" for part in (*reading.lets, text))
    message = f"`{expr.span.text}` uses an einops pattern"
    scope.fail("E0406", message, s.callee(expr).span, help=f"write {help}", fixes=edits)


@dataclass
class _Pattern:
    """The axes of a pattern under names that are free here, and the lines that give some their sizes."""

    scope: Scope
    given: Mapping[str, str]
    tensor: Tensor | None
    names: dict[str, str] = field(default_factory=dict)
    lets: list[str] = field(default_factory=list)

    def axes(self, side: str) -> str:
        parts = []
        for axis, (group, rest, name) in enumerate(_AXIS.findall(side)):
            if rest:
                parts.append("*rest")
            elif name:
                parts.append(self._name(name, axis))
            else:
                parts.append("*".join(self._name(n, None) for n in group.split()) or "1")
        return ", ".join(parts)

    def _name(self, name: str, axis: int | None) -> str:
        if name.isdigit():
            return name
        if name not in self.names:
            self.names[name] = self._chosen(name, axis)
        return self.names[name]

    def _chosen(self, name: str, axis: int | None) -> str:
        value = self.given.get(name, "")
        if value in self.scope.names:
            return value
        used = {*self.scope.names, *self.names.values()}
        known = self.scope.names.get(name.upper())
        shape = self.tensor.type.shape if self.tensor is not None else ()
        if known is not None and axis is not None and axis < len(shape) and known.value == shape[axis]:
            return name.upper()
        free = (n for n in (name.upper(), f"{name.upper()}2", f"{name}_axis") if n not in used)
        chosen = next(free, name)
        if value:
            self.lets.append(f"let {chosen} = {value}")
        return chosen
