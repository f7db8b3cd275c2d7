"""A network written as a Python class, as a pipeline of this language: `self.fc2(relu(self.fc1(x)))`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from netdsl.arrivals.table import ACTIVATIONS, FUNCTIONS, LAYERS
from netdsl.arrivals.translate import saying
from netdsl.parsing.habits.extents import NEAR

_ASSIGNED = re.compile(r"self\.(\w+)[ \t]*=[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_INPUT_SHAPE = re.compile(r"\b(?:input_shape=|Input\((?:shape=)?)[(\[]([\d\s,]+)[)\]]")
_FIRST_LAYER = re.compile(r"\b(Linear|Conv[123]d|Embedding|LSTM|GRU|RNN)\((?:\w+=)?(\d+),")
_INPUTS = {
    "Linear": "f32[B, {}]",
    "Conv1d": "f32[B, {}, T]",
    "Conv2d": "f32[B, {}, H, W]",
    "Conv3d": "f32[B, {}, D, H, W]",
    "Embedding": "i32[B, T]",
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "f32[B, T, {}]"),
}
"""The input of a network by its first layer and that layer's first number."""
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


def input_type_of(text: str) -> str:
    """The type of the input that a network in Python takes, by its `input_shape` or its first layer.

    Sizes that are not in the text are `..`, for the reader to fill in.
    """
    shape = _INPUT_SHAPE.search(text)
    if shape is not None:
        sizes = [size.strip() for size in shape[1].split(",") if size.strip()]
        if len(sizes) == 3:  # Keras has the channels last
            sizes = [sizes[2], *sizes[:2]]
        return f"f32[{', '.join(['B', *sizes])}]"
    first = _FIRST_LAYER.search(text)
    if first is None:
        return "f32[B, ..]"
    return _INPUTS[first[1]].format(first[2])


def sequential_of(text: str, name: str) -> tuple[str, int] | None:
    """The stages of `keras.Sequential([..])`, and of `name.add(..)` after it, and their end; or None."""
    end = end_of_call(text)
    node = _parsed(text[:end].strip())
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "Sequential":
        return None
    is_list = bool(node.args) and isinstance(node.args[0], ast.List)
    layers = list(node.args[0].elts if is_list and isinstance(node.args[0], ast.List) else node.args)
    while (added := re.compile(rf"\s*{re.escape(name)}\.add(?=\()").match(text, end)) is not None:
        at, end = added.end(), added.end() + end_of_call(text[added.end() :])
        layer = _parsed(text[at:end])
        if layer is None:
            return None
        layers.append(layer)
    stages = [_layer(layer) for layer in layers if not _is_input(layer)]
    return (" -> ".join(stages), end) if stages else None


def output_of(stages: str, type_: str) -> str:
    """` -> logits: f32[B, 10]` for stages that end with a dense layer of 10 on a vector; empty otherwise."""
    last = re.search(r"\bLinear\((\w+)[^>]*\)(?: -> (?:\w+|Dropout\([^)]*\)))*$", stages)
    is_vector = type_.count(",") == 1 or any(word in stages for word in ("flatten", "global_"))
    return f" -> logits: f32[B, {last[1]}]" if last is not None and is_vector else ""


def stage_of(text: str) -> str | None:
    """A layer of another framework, as `nn.Linear(20, 20)`, in the words of this language."""
    node = _parsed(text)
    is_layer = isinstance(node, ast.Call) and not isinstance(node.func, ast.Call)
    return _layer(node) if is_layer and node is not None else None


def stages_of_list(text: str) -> str | None:
    """The layers in `[nn.Linear(20, 20), relu]` as a pipeline; None for a list of anything else."""
    node = _parsed(text[: end_of_call(text)])
    if not isinstance(node, ast.List) or not node.elts:
        return None
    if not all(isinstance(layer, (ast.Call, ast.Name, ast.Attribute)) for layer in node.elts):
        return None
    theirs = [isinstance(getattr(layer, "func", layer), ast.Attribute) for layer in node.elts]
    pairs = zip(node.elts, theirs, strict=True)
    return " -> ".join(_layer(layer) if is_theirs else ast.unparse(layer) for layer, is_theirs in pairs)


def _is_input(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("Input", "InputLayer")


def end_of_call(text: str) -> int:
    """The end of the brackets that a text opens first, within some hundred lines."""
    depth = 0
    for n, letter in enumerate(text[:NEAR]):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter in ")]}":
            return n + 1
    return min(len(text), NEAR)


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
    if isinstance(node, ast.Tuple):
        return f"[{', '.join(map(_value, node.elts))}]"
    return {"True": "true", "False": "false", "None": "none"}.get(text, text)
