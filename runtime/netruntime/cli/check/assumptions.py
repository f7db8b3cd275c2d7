"""What the models of a file assume about free sizes, as `netrun check` states it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Diagnostic, Label
from netdsl.immutable import immutable

if TYPE_CHECKING:
    from netdsl.model import Assumption, Checked

SHOWN = 6
"""How many assumptions of a model are listed."""


@immutable
class Assumed:
    """An assumption of a model, or of the `train` section that has the name."""

    owner: str
    assumption: Assumption

    def as_dict(self) -> dict[str, Any]:
        span, condition = self.assumption.span, self.assumption.condition
        place = {"file": span.source.name, "line": span.line, "column": span.column}
        stated = self.assumption.is_stated
        return {"code": "E0253", "model": self.owner, "condition": str(condition), "stated": stated, **place}

    def as_error(self) -> Diagnostic:
        """The assumption as `--strict` reports it."""
        condition = self.assumption.condition
        sizes = sorted(condition.symbols)
        listed = " and ".join([", ".join(sizes[:-1]), sizes[-1]] if len(sizes) > 1 else sizes)
        help = f"write a number for {listed} in the inputs of `{self.owner}`"
        if all(map(str.isidentifier, sizes)):
            help = f"state it in `{self.owner}`: `assert {condition.written}`; or {help}"
        message = f"`{self.owner}` assumes that {condition}"
        return Diagnostic("E0253", message, (Label(self.assumption.span, "needed here"),), help)


def assumptions_of(checked: Checked) -> Iterator[Assumed]:
    """The assumptions of all models, and those that only a `train` section makes."""
    seen = set()
    for model in checked.models.values():
        for assumption in model.assumptions:
            seen.add(assumption.condition)
            yield Assumed(model.name, assumption)
    for phase in checked.phases:
        for assumption in phase.model.assumptions:
            if assumption.condition not in seen:
                yield Assumed(phase.name or "train", assumption)


def lines_about(assumed: Sequence[Assumed]) -> Iterator[str]:
    """One line for each model: `P assumes T <= 128 (line 12)`; and one for what its assertions say."""
    for owner in dict.fromkeys(one.owner for one in assumed):
        for verb, is_stated in (("assumes", False), ("asserts", True)):
            each = [one.assumption for one in assumed if one.owner == owner]
            each = [one for one in each if one.is_stated is is_stated]
            parts = [f"{a.condition} ({a.span.source.name}:{a.span.line})" for a in each[:SHOWN]]
            more = f", and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
            if parts:
                yield f"{owner} {verb} {', '.join(parts)}{more}"
