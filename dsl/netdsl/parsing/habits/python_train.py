"""Calls of Python that train, such as `model.compile(..)`, as lines of a `train` section."""

from __future__ import annotations

import ast
import re

from netdsl.arrivals.recipes import in_our_words
from netdsl.arrivals.training import loss_of, metric_of

_OUTPUT = re.compile(r"->\s*\(?\s*(\w+)\s*:\s*(?:f16|bf16|f32|f64)\b")
_INPUT = re.compile(r"^\s*input\s+(\w+)\s*:", re.MULTILINE)
_NUMBERS = ("epochs", "batch_size")


def lines_of(call: str, text: str) -> list[str]:
    """The lines of a section for a call of `compile` or `fit`; empty for other calls.

    Args:
        call: The call as written.
        text: The file, which names the output of its model and the input of its section.
    """
    try:
        node = ast.parse(call.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return []
    if node.func.attr not in ("compile", "fit"):
        return []
    names = [
        next(iter(found), word)
        for found, word in ((_OUTPUT.findall(text), "logits"), (_INPUT.findall(text), "label"))
    ]
    lines = [line for key in node.keywords for line in _lines(key.arg or "", key.value, ", ".join(names))]
    return lines


def _lines(word: str, value: ast.expr, tensors: str) -> list[str]:
    name = _name(value)
    if word == "loss" and loss_of(name):
        return [f"loss = {loss_of(name)}({tensors})"]
    if word == "optimizer":
        arguments = "" if not isinstance(value, ast.Call) else in_our_words(_arguments(value))
        return [f"optimizer = {name.lower()}({arguments})" if arguments else f"optimizer = {name.lower()}"]
    if word == "metrics" and isinstance(value, ast.List):
        ours = [metric_of(_name(element)) for element in value.elts]
        return [f"metric {metric} = {metric}({tensors})" for metric in ours if metric]
    if word in _NUMBERS:
        return [f"{word} = {ast.unparse(value)}"]
    return []


def _name(value: ast.expr) -> str:
    """The name in `"adam"`, `Adam(..)`, `keras.optimizers.Adam(..)`."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.Call):
        return _name(value.func)
    return value.attr if isinstance(value, ast.Attribute) else ast.unparse(value)


def _arguments(call: ast.Call) -> str:
    return ast.unparse(call).partition("(")[2].removesuffix(")")
