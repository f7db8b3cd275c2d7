"""A network written as a Python class, as a pipeline of this language: `self.fc2(relu(self.fc1(x)))`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from netdsl.arrivals.table import ACTIVATIONS, FUNCTIONS, LAYERS
from netdsl.arrivals.translate import saying

_ASSIGNED = re.compile(r"self\.(\w+)[ \t]*=[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_STEP = re.compile(r"\w+\s*=[^=]|return\b")


def pipeline_of(text: str) -> str | None:
    """The `return` line for `self.name = Layer(..)` and `return self.name(..)`; None for other texts."""
    start = max(text.rfind(f"def {name}") for name in ("forward", "call", "__call__"))
    body = text[max(start, 0) :]
    reading = _Class(dict(_ASSIGNED.findall(text)))
    for line in (line.strip() for line in body.splitlines()):
        if not _STEP.match(line):
            continue
        target, _, value = line.partition("return " if line.startswith("return ") else "=")
        chain = reading.chain(value.strip())
        if chain is None:
            return None
        if line.startswith("return "):
            return f"return {chain}"
        reading.values[target.strip()] = chain
    return None


def sequential_of(text: str) -> str | None:
    """The stages of `keras.Sequential([..])`, where a text starts with one; None for other texts."""
    end = text.find("\n\n")
    node = _parsed(text[: end if end >= 0 else len(text)].strip())
    if not isinstance(node, ast.Call) or not node.args:
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    if name != "Sequential":
        return None
    layers = node.args[0].elts if isinstance(node.args[0], ast.List) else node.args
    return " -> ".join(_layer(layer) for layer in layers)


@dataclass
class _Class:
    """The layers of a class by name, and the pipelines of its variables so far."""

    layers: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)

    def chain(self, text: str) -> str | None:
        node = _parsed(text)
        return None if node is None else self._stages(node)

    def _stages(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self.values.get(node.id, node.id)
        if not isinstance(node, ast.Call) or not node.args:
            return None
        before, function = self._stages(node.args[0]), node.func
        if before is not None and isinstance(function, ast.Call):  # nn.Dense(64)(x)
            return f"{before} -> {_layer(function)}"
        if before is None or not isinstance(function, ast.Name | ast.Attribute):
            return None
        name = function.id if isinstance(function, ast.Name) else function.attr
        is_own = isinstance(function, ast.Attribute) and ast.unparse(function.value) == "self"
        if is_own and name in self.layers:
            layer = _parsed(self.layers[name])
            return None if layer is None else f"{before} -> {name}: {_layer(layer)}"
        rest = ast.Call(ast.Name(name), node.args[1:], node.keywords)
        return f"{before} -> {_layer(rest)}"


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _layer(node: ast.expr) -> str:
    """A layer or a function in the words of this language."""
    if not isinstance(node, ast.Call):
        return ast.unparse(node)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    known = (*LAYERS.get(name, ()), *FUNCTIONS.get(name, ()))
    if known:
        params = [p for p in known[0].params if not p.startswith("*")]
        given = dict(zip(params, map(_value, node.args), strict=False))
        if name in ("Linear", "Conv") and len(node.args) == 1:
            return f"{name}({_value(node.args[0])})"
        given |= {k.arg: _value(k.value) for k in node.keywords if k.arg}
        return saying(known[0], given).text
    return ACTIVATIONS.get(name.lower().replace("_", ""), ast.unparse(node))


def _value(node: ast.expr) -> str:
    text = ast.unparse(node)
    return {"True": "true", "False": "false", "None": "none"}.get(text, text)
