"""The state shared by all bodies of one check: its findings, finished bodies, and limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netdsl.checker.context.values import Poison, Static
from netdsl.diagnostics import MAX_ERRORS, Diagnostic
from netdsl.model import Body
from netdsl.modules import Module
from netdsl.source import Span

MAX_CALL_DEPTH = 32
MAX_BODIES = 5_000


class TooManyErrors(Exception):
    """Stops the check; the findings so far are reported."""


@dataclass(frozen=True)
class Built:
    """A finished body, and the places in the first call of it that the origins of its sizes name."""

    body: Body
    places: tuple[Span | None, ...]


@dataclass
class Checker:
    """The state of one check. `multiplier` is how often the body being built will be repeated."""

    module: Module
    config: Mapping[Module, Mapping[str, Static | Poison]] = field(default_factory=dict)
    training: bool = False
    diagnostics: list[Diagnostic] = field(default_factory=list)
    bodies: dict[object, Built | None] = field(default_factory=dict)
    building: list[tuple[object, str]] = field(default_factory=list)
    scanned: set[int] = field(default_factory=set)
    symbol_origins: dict[str, Span] = field(default_factory=dict)
    multiplier: int = 1

    def report(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep findings, each place and code once."""
        known = {(d.code, d.span, d.message) for d in self.diagnostics}
        self.diagnostics += [d for d in diagnostics if (d.code, d.span, d.message) not in known]
        if self.errors > MAX_ERRORS:
            raise TooManyErrors

    @property
    def errors(self) -> int:
        """The number of errors so far."""
        return sum(d.severity == "error" for d in self.diagnostics)
