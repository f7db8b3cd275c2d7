"""Calls of Python that train, such as `model.compile(..)`, as lines of a `train` section."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from netdsl.arrivals.losses import loss_options
from netdsl.arrivals.recipes import SCHEDULE_ARGUMENTS, in_our_words, in_their_order, recipe_call
from netdsl.arrivals.training import loss_of, metric_of, recipe_of, takes_probabilities

_OUTPUT = re.compile(r"->\s*\(?\s*(\w+)\s*:\s*(?:f16|bf16|f32|f64)\b")
_INPUT = re.compile(r"^\s*input\s+(\w+)\s*:", re.MULTILINE)
_NUMBERS = ("epochs", "batch_size")
_OPTIONS_IN_ORDER = {
    "CrossEntropyLoss": "weight size_average ignore_index reduce reduction label_smoothing",
    "NLLLoss": "weight size_average ignore_index reduce reduction",
    "BCELoss": "weight size_average reduce reduction",
    "BCEWithLogitsLoss": "weight size_average reduce reduction pos_weight",
    "HuberLoss": "reduction delta",
    "SmoothL1Loss": "size_average reduce reduction beta",
    "Huber": "delta reduction",
    "BinaryCrossentropy": "from_logits label_smoothing",
    "CategoricalCrossentropy": "from_logits label_smoothing",
    "SparseCategoricalCrossentropy": "from_logits ignore_class",
}
"""The arguments of losses by position, with the names of PyTorch and Keras."""


class TrainLine(NamedTuple):
    """A line of a `train` section, and notes on what it leaves out."""

    text: str
    notes: tuple[str, ...] = ()


def written(lines: list[TrainLine]) -> tuple[list[str], str]:
    """The texts of lines, and their notes as the end of a message."""
    notes = dict.fromkeys(note for line in lines for note in line.notes)
    return [line.text for line in lines], f": {'; '.join(notes)}" if notes else ""


def lines_of(call: str, text: str) -> list[TrainLine]:
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


def _lines(word: str, value: ast.expr, tensors: str) -> list[TrainLine]:
    name = _name(value)
    if word == "loss" and (ours := loss_of(name)):
        return [_loss_line(name, ours, value, tensors)]
    if word == "optimizer":
        arguments = "" if not isinstance(value, ast.Call) else in_our_words(_arguments(value))
        call = f"{name.lower()}({arguments})" if arguments else name.lower()
        return [TrainLine(f"optimizer = {call}")]
    if word == "metrics" and isinstance(value, ast.List):
        metrics = [metric_of(_name(element)) for element in value.elts]
        return [TrainLine(f"metric {metric} = {metric}({tensors})") for metric in metrics if metric]
    if word == "schedule" and isinstance(value, ast.Call) and recipe_of(name) in SCHEDULE_ARGUMENTS:
        schedule = recipe_of(name) or ""
        call, notes = recipe_call(schedule, SCHEDULE_ARGUMENTS[schedule], in_their_order(name, _given(value)))
        return [TrainLine(f"schedule = {call}", notes)]
    if word in _NUMBERS:
        return [TrainLine(f"{word} = {ast.unparse(value)}")]
    return []


def _loss_line(name: str, ours: str, value: ast.expr, tensors: str) -> TrainLine:
    named = dict[str, str]()
    if isinstance(value, ast.Call):
        usual = "size_average reduce reduction" if name.endswith("Loss") else "reduction"
        words = iter(_OPTIONS_IN_ORDER.get(name, usual).split())
        named = {word or next(words, "reduction"): text for word, text in _given(value)}
    is_of_logits = isinstance(value, ast.Call) and takes_probabilities(name)
    is_of_logits = is_of_logits and named.get("from_logits") != "true"
    named.pop("from_logits", None)
    options, notes = loss_options(ours, named)
    if is_of_logits:
        notes.insert(0, "it takes logits: leave out a `softmax` or `sigmoid` before it")
    return TrainLine(f"loss = {ours}({', '.join([tensors, *options])})", tuple(notes))


def _given(call: ast.Call) -> list[tuple[str | None, str]]:
    """The arguments of a call: the name, if there is one, and the value in our words."""
    words = {"True": "true", "False": "false", "None": "none"}
    values = [(None, value) for value in call.args] + [(k.arg, k.value) for k in call.keywords]
    texts = [(word, ast.unparse(value)) for word, value in values]
    return [(word, words.get(text, text)) for word, text in texts]


def _name(value: ast.expr) -> str:
    """The name in `"adam"`, `Adam(..)`, `keras.optimizers.Adam(..)`."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.Call):
        return _name(value.func)
    return value.attr if isinstance(value, ast.Attribute) else ast.unparse(value)


def _arguments(call: ast.Call) -> str:
    return ast.unparse(call).partition("(")[2].removesuffix(")")
