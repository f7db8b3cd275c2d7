"""Writes docs/operators.md from the docstrings of the operators: `python docs/make_operators.py`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

from netdsl.ops import REGISTRY
from netdsl.ops.contract.base import Op
from netdsl.types import DType

HEAD = """# The operators

In a `.net` file an operator is called by its name, tensors first, then static arguments:
`softmax(x, over=-1)` or `x -> softmax(over=-1)`. `x?` is optional; `*xs` takes any number of
tensors. This page is generated from the docstrings of the operators by `docs/make_operators.py`.

## Gradients

Training differentiates through every operator marked "Gradient: yes". Integers and booleans have no gradient.
Neither do the operators below: a gradient that reaches a step function is an error, and none flows
through booleans and positions.

"""


def signature(op: type[Op]) -> str:
    parts = list(op.inputs)
    for field in fields(op):
        parts.append(field.name if field.default is MISSING else f"{field.name}={shown(field.default)}")
    return f"{op.name}({', '.join(parts)})"


def shown(value: object) -> str:
    if isinstance(value, DType):
        return value.value
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]" if len(value) != 1 else shown(value[0])
    return f'"{value}"' if isinstance(value, str) else str(value)


def gradient(op: type[Op]) -> str:
    """Whether gradients pass, as a line of the page; nothing for an operator that they never reach."""
    if op.no_gradient:
        return f"Gradient: none, it {op.no_gradient}.\n\n"
    passes = op.gradient is not Op.gradient or op.in_parts is not Op.in_parts
    if op.name == "stop_gradient":
        return "Gradient: none flows back.\n\n"
    return "Gradient: yes.\n\n" if passes else ""


def page() -> str:
    text = [HEAD]
    for name, op in sorted(REGISTRY.items()):
        if op.no_gradient:
            text.append(f"- `{name}` {op.no_gradient}\n")
    text.append("\nTo pass gradients around a step function, put it in `stop_gradient(..)`.\n\n")
    for name, op in sorted(REGISTRY.items()):
        about = f"```\n{signature(op)}\n```\n\n{inspect.getdoc(op)}"
        text.append(f"## `{name}`\n\n{about}\n\n{gradient(op)}")
    return "".join(text).rstrip() + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "operators.md").write_text(page(), "utf-8")
