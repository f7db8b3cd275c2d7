"""The explanation of a name: an operator, a standard block, a recipe of training, or a keyword."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, fields

from netdsl.arrivals.table import ACTIVATIONS, FUNCTIONS, LAYERS
from netdsl.modules import LOSSES_FILE, METRICS_FILE, std_block, std_index, std_module
from netdsl.ops.contract.base import REGISTRY, Op
from netdsl.recipes import NUMBERS, RECIPES, Argument, Recipe
from netdsl.recipes.limits import written
from netdsl.syntax import Block
from netdsl.types import DType

_TEXTS = """
net | net 1.0 | The first line of a file: the version of the language.
import | import "parts.net" | Imports the blocks of a file in the same folder or below it.
config | config { width: int = 64 } | Values that `--set width=128` or Python replaces.
model | model Net(x: f32[B, 8]) -> y: f32[B, 2] { return x -> fc: Linear(2) } | A network.
block | block Part(size: int)(x: [B, D]) -> [B, size] { ... } | A reusable part of a network.
cell | cell Step(hidden: int)(x: [B, I]) -> [B, hidden] { state h: ... } | What `scan` repeats.
scan | x -> scan LSTM(64)(length=length) states | Runs a cell over axis 1; with `states`, returns these too.
residual | x -> residual { Conv(16, 3, pad=1) } via { Conv(16, 1) } | Adds the input, or its `via`.
for | x -> for i in 0..4 { fc: Linear(64) -> relu } | Repeats stages, each time with new weights.
when | x -> BatchNorm when use_bn | Leaves a stage out unless a condition holds that is known before running.
layer | layer embed = Embedding(1000, 64) | A layer whose uses share their weights.
param | param weight: [D, size] = glorot | A trained tensor.
buffer | buffer mean: [C] = zeros | A stored tensor that is not trained.
state | state h: [B, hidden] = zeros | A tensor that a cell carries from step to step.
next | next h = tanh(x @ W + h @ U) | The next value of a state or a buffer.
let | let dh = D // heads | A name for a number or a size.
assert | assert D % heads == 0, "heads must divide D" | A condition that is checked before running.
weights | weights torch { "fc.*" => "head.*" transpose } | How a published checkpoint names its weights.
train | train { loss = cross_entropy(logits, label) } | How a network is trained.
test | test "shapes" { expect Net(ones([2, 8])) is f32[2, 2] } | What `netrun test` runs.
"""
_LINES = [line.split(" | ") for line in _TEXTS.strip().splitlines()]
WORDS = {word: (example, meaning) for word, example, meaning in _LINES}
"""Keywords of the language: an example, and what it means."""


def explained(name: str) -> str | None:
    """The explanation of a name as Markdown; None for one that is unknown."""
    parts = [text for text in (_block(name), _operator(name), _recipe(name), _word(name)) if text]
    return "\n\n".join(parts) if parts else _foreign(name)


def known_names() -> list[str]:
    """All names that are explained."""
    recipes = [name for kinds in RECIPES.values() for name in kinds]
    return sorted({*std_index(), *_metrics(), *REGISTRY, *recipes, *NUMBERS, *WORDS})


def _metrics() -> Mapping[str, Block]:
    return std_module(METRICS_FILE).blocks


def _block(name: str) -> str | None:
    found = std_block(name)
    block = found[0] if found else _metrics().get(name)
    if block is None:
        return None
    text = block.span.source.text[block.span.start : block.span.end]
    end = min(n for n in (text.find(" {\n"), text.find(" =\n"), text.find(" = "), len(text)) if n > 0)
    head = text[: text.find(" {\n")] if " {\n" in text else text[:end]
    kind = {LOSSES_FILE: "a loss", METRICS_FILE: "a metric"}.get(
        std_index().get(name, METRICS_FILE), "a standard block"
    )
    doc = block.doc or "It has no description; its definition follows."
    return f"## {name}: {kind}\n\n{doc}\n\n{_code(head)}\n\nIts definition:\n\n{_code(text)}"


def _operator(name: str) -> str | None:
    op = REGISTRY.get(name)
    if op is None or name.startswith("_"):
        return None
    return f"## {name}: an operator\n\n{_code(signature(op))}\n\n{_markdown(inspect.getdoc(op) or '')}"


def signature(op: type[Op]) -> str:
    """The inputs and the static arguments of an operator: `softmax(x, where?, over)`."""
    parts = list(op.inputs)
    for field in fields(op):
        default = "" if field.default is MISSING else f"={_default(field.default)}"
        parts.append(f"{field.name}{default}")
    return f"{op.name}({', '.join(parts)})"


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_default, value))}]" if len(value) != 1 else _default(value[0])
    return value.value if isinstance(value, DType) else written(value)


def _markdown(doc: str) -> str:
    """A docstring with its lists of arguments as Markdown lists."""
    lines = [
        f"- {line.strip()}" if line.startswith("    ") and not line.startswith("     ") else line.strip()
        for line in doc.splitlines()
    ]
    return "\n".join(lines)


def _recipe(name: str) -> str | None:
    parts = []
    for setting, kinds in RECIPES.items():
        if name in kinds:
            arguments = kinds[name].arguments()
            call = ", ".join(f"{a.name}={written(a.default)}" for a in arguments.values())
            listed = "\n".join(_argument(a) for a in arguments.values())
            title, code = f"## {name}: a value for `{setting}`", _code(f"{setting} = {name}({call})")
            parts.append("\n\n".join([title, _first_paragraph(kinds[name]), code, listed]))
    if name in NUMBERS:
        parts.append(f"## {name}: a training setting\n\n{_argument(NUMBERS[name])}")
    return "\n\n".join(parts) or None


def _first_paragraph(recipe: type[Recipe]) -> str:
    return " ".join((inspect.getdoc(recipe) or "").partition("\n\n")[0].split())


def _argument(argument: Argument) -> str:
    return f"- `{argument.name}` must be {argument.limit.text}; the default is `{written(argument.default)}`"


def _word(name: str) -> str | None:
    if name not in WORDS:
        return None
    example, meaning = WORDS[name]
    return f"## {name}: a keyword\n\n{meaning}\n\n{_code(example)}"


def _foreign(name: str) -> str | None:
    """A name of another framework: how its call is written here."""
    known = (*LAYERS.get(name, ()), *FUNCTIONS.get(name, ()))
    if known:
        lines = [f"{name}({', '.join(f.params)})  is  {f.says}" for f in known]
        head = f"## {name}: a name from {known[0].source}\n\nHere it is written like this:"
        return head + "\n\n" + _code("\n".join(lines))
    ours = ACTIVATIONS.get(name.lower().replace("_", ""))
    return f"## {name}: a name from another framework\n\nHere it is `{ours}`." if ours else None


def _code(text: str) -> str:
    return textwrap.indent(text.strip(), "    ")
