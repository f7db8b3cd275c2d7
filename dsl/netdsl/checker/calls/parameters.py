"""The parameters of a body, as sections and shared layers compare them."""

from __future__ import annotations

from netdsl.model import Body, CallStep, Parameter, join
from netdsl.work import spend


def parameter_types(body: Body) -> dict[str, str]:
    """The types of all parameters below a body, by label path."""
    found = {}
    for step in body.steps:
        if isinstance(step, CallStep):
            found.update({join(step.label, p): t for p, t in parameter_types(step.body).items()})
        elif isinstance(step.op, Parameter):
            found[step.label] = str(step.types[0])
    spend(len(found) + len(body.steps))
    return found
