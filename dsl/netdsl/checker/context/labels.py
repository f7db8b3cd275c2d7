"""The label paths of one body: those given in the text, and automatic ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from netdsl import syntax as s
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.reports import Site
from netdsl.diagnostics import Label
from netdsl.model import join
from netdsl.source import Span


@dataclass
class LabelPaths:
    """Which label paths a body uses. `prefix` is the path of the loops and groups around the next step."""

    site: Site
    prefix: list[str] = field(default_factory=list)
    claims: dict[str, Span] = field(default_factory=dict)
    automatic: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    """The last number that each automatic label got: the next search for a free one starts there."""

    def below(self, label: str) -> str:
        """The path of a label at this place."""
        return join(".".join(self.prefix), label)

    def place(self, label: s.Ident | None, auto: str, sole: bool = False) -> str:
        """The label path of a step: the label given, or an automatic one that is still free."""
        if sole and label is None and self.prefix:
            path = ".".join(self.prefix)
            self.claim(path, self.claims.get(path, self._body_span))
            return path
        if label is not None:
            path = self.below(label.text)
            self.claim(path, label.span)
            return path
        path = self.below(auto)
        candidate, n = path, self.numbers.get(path, 1)
        while candidate in self.claims:
            n += 1
            candidate = f"{path}_{n}"
        self.numbers[path] = n
        self.claims[candidate] = self._body_span
        self.automatic.add(candidate)
        return candidate

    def claim(self, path: str, span: Span) -> None:
        """Take a label path. Raises E0204 where another step of the body has it."""
        old = self.claims.get(path)
        if old is not None and old != span and path not in self.automatic:
            also = [Label(old, "the first is here")]
            help = "labels name weights, so each must be unique; to share weights use `layer`"
            name = self._next_label(span.text)
            text = f"choose another label: `{name}: ...`; to share weights use `layer`"
            cause = Edited([(text, [(span, name)])] if span.text.isidentifier() else [])
            message = f"the label `{path}` is given twice"
            self.site.fail("E0204", message, span, also=also, help=help, cause=cause)
        self.claims[path] = span
        self.automatic.discard(path)

    def _next_label(self, name: str) -> str:
        """The next label of the same stem that nothing has."""
        stem = name.rstrip("0123456789")
        number = int(name[len(stem) :] or 2)
        while self.below(f"{stem}{number}") in self.claims:
            number += 1
        return f"{stem}{number}"

    def rename(self, old: str, name: s.Ident) -> str | None:
        """The path after an automatic label takes a name of the text; None if it keeps its own."""
        path = self.below(name.text)
        if old not in self.automatic or path in self.claims:
            return None
        self.automatic.discard(old)
        self._forget(old)
        self.claims[path] = name.span
        return path

    def release(self, path: str, span: Span) -> s.Ident:
        """Release a path that was placed ahead of its step; returns the label to place it again."""
        self._forget(path)
        name = path.removeprefix(".".join(self.prefix) + ".") if self.prefix else path
        return s.Ident(span, name)

    def _forget(self, path: str) -> None:
        self.claims.pop(path, None)
        stem, _, number = path.rpartition("_")
        if stem in self.numbers and number.isdecimal():
            self.numbers[stem] = min(self.numbers[stem], int(number) - 1)

    @property
    def _body_span(self) -> Span:
        return (self.site.block or self.site.module.file).span
