"""Names that mean nothing: the message, and what they may stand for."""

from __future__ import annotations

from typing import NoReturn

from netdsl import syntax as s
from netdsl.arrivals.words import PARTS, STEPS
from netdsl.checker.context.causes import Cause, Edited, Unnamed
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import PoisonedError
from netdsl.checker.evaluate import statics
from netdsl.diagnostics import Label, Suggestion, suggest
from netdsl.modules import LOSSES_FILE, std_index
from netdsl.ops.contract.base import REGISTRY
from netdsl.recipes.losses import LOSSES
from netdsl.types import DType

DTYPES = tuple(d.value for d in DType)


def unknown_name(scope: Scope, expr: s.Name) -> NoReturn:
    """Raise E0201 with the nearest known name, or the place where the body binds it too late."""
    if expr.text == "_":
        means = "it means any size in a type, and a value that is not needed: `a, _ = ...`"
        scope.fail("E0201", "`_` has no value", expr.span, help=means)
    later = _binding(scope, expr.text)
    if later is not None and later.span.start > expr.span.start:
        also = [Label(later.span, "it gets its value only here")]
        order = "assign a value before using it"
        scope.fail("E0205", f"`{expr.text}` has no value yet", expr.span, also=also, help=order)
    if expr.text.endswith("'"):
        how = f"assign it with `next {expr.text[:-1]} = ...` before it is used"
        scope.fail("E0205", f"`{expr.text}` has no value yet", expr.span, help=how)
    help = _meaning(scope, expr)
    is_close = isinstance(help, Suggestion) and help.is_close and help.word.lower() != help.name.lower()
    if (scope.is_open or scope.module.lacks_imports) and not is_close:
        raise PoisonedError  # it may be a part of what cannot be read
    cause: Cause | None = Unnamed(scope.where(expr.span), expr.span) if help is None else None
    if expr.text in ("same", "valid"):
        text = f'"{expr.text}"' if expr.text == "same" else "0"
        cause = Edited([(f"write `{text}`", [(expr.span, text)])])
    help = help or _how_to_define(scope, expr)
    scope.fail("E0201", f"`{expr.text}` is not known here", expr.span, help=help, cause=cause)


def _meaning(scope: Scope, expr: s.Name) -> str | None:
    """What a name that is not known may mean: a value of the body, a part of a framework, or any known name.

    In a `train` section, a name that is not called means a value, not a function.
    """
    word = expr.text
    if word == "self":
        return "a layer is written where it is used, and named by a label: `x -> fc: Linear(10)`"
    near = suggest(word, scope.offered) if scope.offered else None
    near = near or suggest(word, [*scope.names, *scope.module.blocks, *scope.module.imported])
    if _is_step(expr) and not (near is not None and near.is_close):
        return None  # the nearest letters would lead to another meaning
    if near is not None or word in PARTS:
        return near or PARTS[word]
    if scope.offered and not _is_called(expr):
        return suggest(word, ["true", "false", "none", *DTYPES])
    return suggest(word, [*_known_names(scope), "true", "false", "none"])


def _is_step(expr: s.Name) -> bool:
    """Whether a name is applied to a value, and means a step of a sequence: `x -> last`."""
    before = expr.span.source.text[: expr.span.start].rstrip()
    return expr.text.lower() in STEPS and (_is_called(expr) or before.endswith("->"))


def _is_called(expr: s.Name) -> bool:
    return expr.span.source.text[expr.span.end : expr.span.end + 1] == "("


def _how_to_define(scope: Scope, expr: s.Name) -> str:
    word = expr.text
    if _is_step(expr):
        return "of a sequence `x: f32[B, T, D]`, `x[:, -1]` is the last step and `mean(x, over=1)` the mean"
    if (word[0].isupper() and len(word) > 1) or _is_called(expr):
        return f"define `block {word}`, or import the file that does"
    if scope.block is None:
        return f"give it a value in a line of the section: `{word} = ...`"
    kind = scope.block.kind
    return f"a value is an input of the {kind}, an entry of `config`, or defined above: `{word} = ...`"


def _binding(scope: Scope, name: str) -> s.Ident | None:
    """Where the statements of a block bind a name first; without a block, where `config` does."""
    if scope.block is not None:
        return scope.block.bindings.get(name)
    return next((entry.name for entry in scope.module.config if entry.name.text == name), None)


def _known_names(scope: Scope) -> list[str]:
    module = scope.module
    return [
        *module.blocks,
        *module.imported,
        *module.aliases,
        *REGISTRY,
        *statics.FUNCTIONS,
        *DTYPES,
        *(name for name, file in std_index().items() if file != LOSSES_FILE or name in LOSSES),
    ]
