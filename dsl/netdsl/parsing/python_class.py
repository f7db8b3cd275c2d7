"""A network written as a Python class, as a pipeline of this language: `self.fc2(relu(self.fc1(x)))`."""

from __future__ import annotations

import ast
import re
import textwrap

_LAYER = re.compile(r"self\.(\w+)[ \t]*=[ \t]*(?:\w+\.)*([A-Z]\w*\(.*\)|[A-Z]\w*)[ \t]*$", re.MULTILINE)
_STEP = re.compile(r"\w+\s*=[^=]|return\b")


def pipeline_of(text: str) -> str | None:
    """The `return` line for `self.name = Layer(..)` and `return self.name(..)`; None for other texts."""
    layers = dict(_LAYER.findall(text))
    body = text[text.rfind("def forward") :] if "def forward" in text else text
    lines = [textwrap.dedent(line).strip() for line in body.splitlines()]
    steps = [line for line in lines if _STEP.match(line)]
    values: dict[str, str] = {}
    for step in steps:
        target, _, value = step.partition("return ") if step.startswith("return ") else step.partition("=")
        chain = _chain(value.strip(), layers, values)
        if chain is None:
            return None
        if step.startswith("return "):
            return f"return {chain}"
        values[target.strip()] = chain
    return None


def _chain(text: str, layers: dict[str, str], values: dict[str, str]) -> str | None:
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return _stages(node, layers, values)


def _stages(node: ast.expr, layers: dict[str, str], values: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return values.get(node.id, node.id)
    if not isinstance(node, ast.Call) or not node.args:
        return None
    before = _stages(node.args[0], layers, values)
    function = node.func
    if before is None or not isinstance(function, ast.Name | ast.Attribute):
        return None
    if isinstance(function, ast.Name):
        return f"{before} -> {function.id}"
    is_own = isinstance(function.value, ast.Name) and function.value.id == "self"
    if is_own and function.attr in layers:
        return f"{before} -> {function.attr}: {layers[function.attr]}"
    return f"{before} -> {function.attr}"
