"""The settings of a `train` section that name a recipe: optimizers, schedules, clipping and the rest.

The tables say which recipes there are and which numbers each takes, in the order of positional ones. A
trainer knows what they do, and checks their ranges.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl import syntax as s
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import describe, is_number
from netdsl.checker.evaluate import statics
from netdsl.diagnostics import suggest
from netdsl.model import Call

Table = Mapping[str, tuple[str, ...]]

_DECAY = ("weight_decay", "decoupled", "decay_vectors")
_ADAM = ("lr", "beta1", "beta2", "eps")
OPTIMIZERS: Table = {
    "sgd": ("lr", "momentum", "nesterov", *_DECAY),
    "adagrad": ("lr", "eps", *_DECAY),
    "rmsprop": ("lr", "decay", "eps", "momentum", *_DECAY),
    "adadelta": ("lr", "decay", "eps", *_DECAY),
    "adam": (*_ADAM, *_DECAY),
    "adamw": (*_ADAM, "weight_decay", "decay_vectors"),
    "nadam": (*_ADAM, *_DECAY),
    "lamb": (*_ADAM, "weight_decay", "decay_vectors"),
    "lion": ("lr", "beta1", "beta2", "weight_decay", "decay_vectors"),
}
SCHEDULES: Table = {
    "constant": ("warmup",),
    "step": ("every", "factor", "warmup"),
    "exponential": ("factor", "every", "warmup"),
    "cosine": ("warmup", "final"),
    "linear": ("warmup", "final"),
    "one_cycle": ("warmup", "final"),
    "noam": ("warmup", "size"),
    "plateau": ("factor", "patience", "threshold", "final", "warmup"),
}
CLIPS: Table = {"norm": ("limit",), "value": ("limit",)}
REGULARISERS: Table = {"l1": ("strength",), "l2": ("strength",)}
GROUPS: Table = {"adjust": ("lr", "weight_decay")}
DEFAULTS = {"optimizer": "adam"}
"""The recipes of sections that do not name one, where it takes arguments that a caller may want to set."""

RECIPES: Mapping[str, Table] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "clip": CLIPS,
    "regularise": REGULARISERS,
    "group": GROUPS,
}
"""The settings that name a recipe, and the recipes of each."""
SEVERAL = ("clip", "regularise", "group")
"""The settings that can be given several times, and for the weights of patterns alone."""
NUMBERS = ("epochs", "batch_size", "accumulate", "ema", "patience", "steps", "every", "seed")
"""The settings that are one number."""
PATTERNS = ("over", "freeze", "recompute")
"""The settings that are patterns and nothing else."""
SETTINGS = ("loss", *RECIPES, *NUMBERS)


def one_of(scope: Scope, name: s.Ident, known: tuple[str, ...], what: str) -> None:
    """Raise E0219 for a word that is none of the known ones."""
    if name.text not in known:
        help = suggest(name.text, known) or f"there are {', '.join(known)}"
        scope.fail("E0219", f"`{name}` is no {what}", name.span, help=help)


def read_number(scope: Scope, word: s.Ident, expr: s.Expr) -> float:
    """The number of a setting. Raises E0403 for anything else."""
    value = scope.evaluate(expr)
    if not is_number(value):
        scope.fail("E0403", f"`{word}` is a number, and gets {describe(value)}", expr.span)
    return statics.fixed(scope, value, expr.span)  # type: ignore[no-any-return]


def read_call(scope: Scope, word: s.Ident, expr: s.Expr, patterns: tuple[str, ...] = ()) -> Call:
    """`adamw(lr=1e-3)`: a known recipe with known arguments that are numbers, or true or false.

    Raises:
        NetError: E0219 for an unknown recipe, E0406 or E0411 for arguments it does not take, E0403 for
            what is no number, E0412 for an argument that is given twice.
    """
    known = RECIPES[word.text]
    function = expr.function if isinstance(expr, s.Call) else expr
    if not isinstance(function, s.Name):
        help = f"write `{word} = {next(iter(known))}(...)`"
        scope.fail("E0219", f"`{word}` is one of {', '.join(known)}", expr.span, help=help)
    what = "regulariser" if word.text == "regularise" else word.text
    one_of(scope, s.Ident(function.span, function.text), tuple(known), what)
    arguments: dict[str, float | bool] = {}
    for n, argument in enumerate(expr.arguments if isinstance(expr, s.Call) else ()):
        name = _argument_name(scope, function, argument, n, known[function.text])
        if name in arguments:
            scope.fail("E0412", f"`{name}` of `{function.text}` is given twice", argument.span)
        arguments[name] = _argument_value(scope, function, name, argument.value)
    return Call(function.text, arguments, expr.span, patterns)


def _argument_name(
    scope: Scope, function: s.Name, argument: s.Argument, position: int, names: tuple[str, ...]
) -> str:
    if argument.name is None and position >= len(names):
        count = f"{len(names)} argument{'s' if len(names) != 1 else ''}"
        scope.fail("E0411", f"`{function.text}` takes {count}: {', '.join(names)}", argument.span)
    word = argument.name.text if argument.name else names[position]
    if word not in names:
        help = suggest(word, names) or f"`{function.text}` takes {', '.join(names)}"
        at = argument.name.span if argument.name else argument.span
        scope.fail("E0406", f"`{function.text}` has no argument `{word}`", at, help=help)
    return word


def _argument_value(scope: Scope, function: s.Name, name: str, expr: s.Expr) -> float | bool:
    value = scope.evaluate(expr)
    if not is_number(value) and not isinstance(value, bool):
        message = f"`{name}` of `{function.text}` is a number, and gets {describe(value)}"
        scope.fail("E0403", message, expr.span)
    return statics.fixed(scope, value, expr.span)  # type: ignore[no-any-return]
