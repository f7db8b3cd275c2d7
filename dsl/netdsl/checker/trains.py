"""The `train` section: its words, and its expressions on types. The trainer runs it.

The expressions see the outputs and inputs of the file's model, the section's own inputs, and the
losses; the optimizers, schedules and the rest take numbers by name.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl import syntax as s
from netdsl.checker.blocks import root_names
from netdsl.checker.expressions import lookup
from netdsl.checker.scope import Binding, Checker, Scope
from netdsl.checker.shapes import declare, type_pattern
from netdsl.checker.statements import check_assertion
from netdsl.checker.statics import FUNCTIONS
from netdsl.checker.values import Tensor, describe, is_number
from netdsl.diagnostics import Label, suggest
from netdsl.dims import symbol
from netdsl.model import Model
from netdsl.modules import Module
from netdsl.source import Span
from netdsl.types import TensorType

LOSSES: dict[str, tuple[str, ...]] = {
    "cross_entropy": ("smoothing", "ignore", "weights"),
    "binary_cross_entropy": ("weights",),
    "mse": (),
    "l1": (),
    "huber": ("delta",),
    "kl_divergence": (),
    "nll": ("ignore",),
    "hinge": ("margin",),
    "cosine": ("margin",),
    "triplet": ("margin",),
    "contrastive": ("margin", "temperature"),
    "ctc": ("blank",),
}
"""The losses, and the static arguments each takes beside its tensors."""

OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "sgd": ("lr", "momentum", "nesterov", "weight_decay"),
    "adagrad": ("lr", "eps", "weight_decay"),
    "rmsprop": ("lr", "decay", "eps", "momentum", "weight_decay"),
    "adadelta": ("lr", "decay", "eps", "weight_decay"),
    "adam": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "adamw": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "nadam": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "lamb": ("lr", "beta1", "beta2", "eps", "weight_decay"),
    "lion": ("lr", "beta1", "beta2", "weight_decay"),
}
SCHEDULES: dict[str, tuple[str, ...]] = {
    "constant": ("warmup",),
    "step": ("every", "factor", "warmup"),
    "exponential": ("factor", "warmup"),
    "cosine": ("warmup", "final"),
    "linear": ("warmup", "final"),
    "one_cycle": ("warmup", "final"),
    "noam": ("warmup", "size"),
    "plateau": ("factor", "patience"),
}
CLIPS: dict[str, tuple[str, ...]] = {"norm": ("limit",), "value": ("limit",)}
NUMBERS = ("accumulate", "ema", "epochs", "batch_size", "seed", "patience")
CALLS = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "clip": CLIPS}
PATTERNS = ("over", "freeze")
SETTINGS = ("loss", *CALLS, *NUMBERS)


def check_sections(checker: Checker, module: Module, models: Mapping[str, Model]) -> None:
    """Check every `train` section against the models of the file; errors are collected line by line."""
    seen: dict[str, s.Train] = {}
    for item in module.file.items:
        if not isinstance(item, s.Train):
            continue
        scope = Scope(checker, module)
        scope.names.update(root_names(scope))
        name = item.name.text if item.name else ""
        if name in seen:
            with scope.recover():
                also = [Label(_place(seen[name]), "the first is here")]
                help = "name the phases: `train generator { .. }`"
                message = "the file has a second `train` of this name"
                scope.fail("E0203", message, _place(item), also=also, help=help)
        seen.setdefault(name, item)
        if models:
            _bind_models(scope, models)
            _check_lines(scope, item)


def _place(item: s.Train) -> Span:
    """The name of a section, or its first word."""
    return item.name.span if item.name else Span(item.span.source, item.span.start, item.span.start + 5)


def _bind_models(scope: Scope, models: Mapping[str, Model]) -> None:
    """The inputs and outputs of the models are tensors of the section."""
    for model in models.values():
        for slot in (*model.body.inputs, *model.body.outputs):
            _bind_tensor(scope, slot.name, slot.type, s.Ident(slot.span, slot.name))
            for size in slot.type.shape:
                for word in size.symbols:
                    if word.isidentifier():
                        scope.names.setdefault(word, Binding(symbol(word), slot.span, "size"))


def _bind_tensor(scope: Scope, name: str, type_: TensorType, at: s.Ident) -> None:
    scope.types.append(type_)
    tensor = Tensor(len(scope.types) - 1, type_, (None,) * type_.rank, at.span)
    scope.bind(name, tensor, at.span, "input")


def _check_lines(scope: Scope, section: s.Train) -> None:
    given: dict[str, s.Setting] = {}
    for line in section.lines:
        with scope.recover():
            if isinstance(line, s.TrainInput):
                type_ = declare(scope, line.name.text, type_pattern(scope, line.type))
                _bind_tensor(scope, line.name.text, type_, line.name)
            elif isinstance(line, s.Metric):
                scope.evaluate(line.value)
            elif isinstance(line, s.Let):
                scope.bind_new(line.name, scope.evaluate(line.value), "static")
            elif isinstance(line, s.Assert):
                check_assertion(scope, line)
            elif isinstance(line, s.Patterns):
                _one_of(scope, line.word, PATTERNS, "pattern line")
            else:
                _setting(scope, line, given)
    if "loss" not in given:
        with scope.recover():
            help = "write `loss = cross_entropy(..)`"
            scope.fail("E0219", "this `train` has no loss", _place(section), help=help)


def _setting(scope: Scope, line: s.Setting, given: dict[str, s.Setting]) -> None:
    word = line.name.text
    _one_of(scope, line.name, SETTINGS, "training setting")
    if word in given:
        also = [Label(given[word].name.span, "the first is here")]
        scope.fail("E0203", f"`{word}` is set twice", line.name.span, also=also, help="keep one")
    given[word] = line
    if word in CALLS:
        _call(scope, line, CALLS[word])
    elif word in NUMBERS:
        value = scope.evaluate(line.value)
        if not is_number(value):
            scope.fail("E0403", f"`{word}` is a number, and gets {describe(value)}", line.value.span)
    else:
        _loss(scope, line.value)


def _one_of(scope: Scope, name: s.Ident, known: tuple[str, ...], what: str) -> None:
    if name.text not in known:
        help = suggest(name.text, known) or f"there are {', '.join(known)}"
        scope.fail("E0219", f"`{name}` is no {what}", name.span, help=help)


def _call(scope: Scope, line: s.Setting, known: Mapping[str, tuple[str, ...]]) -> None:
    """`optimizer = adamw(lr=1e-3)`: a known name, with known arguments that are numbers."""
    expr = line.value
    function = expr.function if isinstance(expr, s.Call) else expr
    if not isinstance(function, s.Name):
        help = f"write `{line.name} = {next(iter(known))}(...)`"
        scope.fail("E0219", f"`{line.name}` is one of {', '.join(known)}", expr.span, help=help)
    _one_of(scope, s.Ident(function.span, function.text), tuple(known), line.name.text)
    names = known[function.text]
    for n, argument in enumerate(expr.arguments if isinstance(expr, s.Call) else ()):
        if argument.name is None and n >= len(names):
            count = f"{len(names)} argument{'s' if len(names) != 1 else ''}"
            scope.fail("E0411", f"`{function.text}` takes {count}: {', '.join(names)}", argument.span)
        word = argument.name.text if argument.name else names[n]
        if word not in names:
            help = suggest(word, names) or f"`{function.text}` takes {', '.join(names)}"
            at = argument.name.span if argument.name else argument.span
            scope.fail("E0406", f"`{function.text}` has no argument `{word}`", at, help=help)
        value = scope.evaluate(argument.value)
        if not is_number(value) and not isinstance(value, bool):
            scope.fail(
                "E0403",
                f"`{word}` of `{function.text}` is a number, and gets {describe(value)}",
                argument.value.span,
            )


def _loss(scope: Scope, expr: s.Expr) -> None:
    """The loss is a sum of losses and of scalar tensors; every loss gets tensors, then known settings."""
    if isinstance(expr, s.Call) and isinstance(expr.function, s.Name) and expr.function.text in LOSSES:
        _loss_call(scope, expr, expr.function.text)
    elif isinstance(expr, s.Operation):
        for part in (expr.first, *(operand for _, operand in expr.rest)):
            _loss(scope, part)
    elif (
        isinstance(expr, s.Call)
        and isinstance(expr.function, s.Name)
        and expr.function.text not in scope.names
    ):
        near = suggest(expr.function.text, LOSSES)
        if near and not _known(scope, expr.function):
            scope.fail("E0219", f"`{expr.function.text}` is no loss", expr.function.span, help=near)
        scope.evaluate(expr)
    else:
        scope.evaluate(expr)


def _known(scope: Scope, name: s.Name) -> bool:
    return lookup(scope, name.text) is not None or name.text in FUNCTIONS


def _loss_call(scope: Scope, expr: s.Call, name: str) -> None:
    tensors = 0
    for argument in expr.arguments:
        value = scope.evaluate(argument.value)
        if argument.name is None:
            tensors += isinstance(value, Tensor)
            if not isinstance(value, Tensor):
                scope.fail("E0402", f"`{name}` compares tensors, and gets {describe(value)}", argument.span)
        elif argument.name.text not in LOSSES[name]:
            help = suggest(argument.name.text, LOSSES[name]) or _takes(name)
            message = f"`{name}` has no argument `{argument.name}`"
            scope.fail("E0406", message, argument.name.span, help=help)
    if tensors < 2:
        scope.fail("E0401", f"`{name}` needs a prediction and a target", expr.span)


def _takes(name: str) -> str:
    listed = ", ".join(LOSSES[name])
    return f"`{name}` takes two tensors" + (f", and {listed}" if listed else "")
