"""The settings of a `train` section: recipes, such as optimizers and schedules, and numbers.

Which there are, and what their arguments may be, is declared in `netdsl.recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from netdsl import syntax as s
from netdsl.arrivals.recipes import in_their_order, recipe_call
from netdsl.arrivals.training import recipe_of
from netdsl.arrivals.translate import is_number_text, text_of
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, PoisonedError, describe, is_number
from netdsl.checker.evaluate import statics
from netdsl.checker.evaluate.python_words import foreign_module
from netdsl.diagnostics import article, suggest
from netdsl.edits import replacement
from netdsl.model import Call
from netdsl.recipes import NOUNS, NUMBERS, RECIPES, Argument, Recipe, RecipeError
from netdsl.recipes.limits import Switch, written
from netdsl.source import Span
from netdsl.synonyms import OPTIMIZER_WORDS, RUN_LENGTHS, SCHEDULE_WORDS

SEVERAL = ("clip", "regularise", "group")
"""The settings that can be given several times, and for the weights of patterns alone."""
PATTERNS = ("over", "freeze", "recompute")
"""The settings that are patterns and nothing else."""
SETTINGS = ("loss", *RECIPES, *NUMBERS)


def one_of(scope: Scope, name: s.Ident, known: tuple[str, ...], what: str) -> None:
    """Raise E0219 for a word that is none of the known ones."""
    if name.text not in known:
        help = suggest(name.text, known) or _listed(known)
        scope.fail("E0219", f"`{name}` is not {article(what)} {what}", name.span, help=help)


def _listed(known: tuple[str, ...]) -> str:
    return f"there are {', '.join(known)}" if len(known) > 1 else f"there is only `{known[0]}`"


def read_number(scope: Scope, word: s.Ident, expr: s.Expr) -> float:
    """The number of a setting.

    Raises:
        NetError: E0403 for anything else, E1072 for a number out of its range.
    """
    value = scope.evaluate(expr)
    if not is_number(value):
        scope.fail("E0403", f"`{word}` must be a number, but got {describe(value)}", expr.span)
    number: float = statics.fixed(scope, value, expr.span)
    try:
        NUMBERS[word.text].check(number)
    except RecipeError as wrong:
        default = written(NUMBERS[word.text].default)
        near = str(int(abs(number))) if number and abs(number) < 10**9 else default
        texts = list(dict.fromkeys((near, default)))
        cause = Edited([(f"write `{word} = {text}`", [(expr.span, text)]) for text in texts if text])
        scope.fail("E1072", f"`{word}` {wrong.problem}", expr.span, help=wrong.help, cause=cause)
    return number


def read_call(scope: Scope, word: s.Ident, expr: s.Expr, patterns: tuple[str, ...] = ()) -> Call:
    """`adamw(lr=1e-3)`: a known recipe with known arguments in their ranges.

    Raises:
        NetError: E0219 for an unknown recipe, E0406 or E0411 for arguments it does not take, E0403 for
            one of a wrong kind, E0412 for a repeated argument, E1080 for one out of its range.
    """
    known = RECIPES[word.text]
    function = expr.function if isinstance(expr, s.Call) else expr
    if isinstance(function, s.Attribute) and foreign_module(scope, function) is not None:
        function = s.Name(function.span, function.name.text)
    if not isinstance(function, s.Name):
        _not_a_call(scope, word, expr, tuple(known))
    name = function.text
    is_theirs = name not in known or name != function.span.text
    if is_theirs and isinstance(expr, s.Call):
        _in_our_words(scope, word, function, expr)
    one_of(scope, s.Ident(function.span, name), tuple(known), NOUNS.get(word.text, word.text))
    takes = known[name].arguments()
    arguments: dict[str, float | bool] = {}
    places: dict[str, Span] = {}
    failed = False
    for n, argument in enumerate(expr.arguments if isinstance(expr, s.Call) else ()):
        with scope.recover() as attempt:
            word_of = _argument_name(scope, function, argument, n, tuple(takes))
            if word_of in arguments:
                scope.fail("E0412", f"`{word_of}` of `{name}` is given twice", argument.span)
            arguments[word_of] = _argument_value(scope, name, takes[word_of], argument.value)
            places[word_of] = argument.value.span
        failed |= attempt.failed
    if failed:
        raise PoisonedError
    _check_ranges(scope, known[name], name, arguments, places, expr.span)
    return Call(name, arguments, expr.span, patterns)


def _not_a_call(scope: Scope, word: s.Ident, expr: s.Expr, known: tuple[str, ...]) -> NoReturn:
    """Raise E0219 for `clip = 1.0`, and for `optimizer = "adam"`."""
    text, is_certain = f"{known[0]}(...)", False
    if isinstance(expr, s.Number):
        text = f"{known[0]}({expr.span.text})"
    if isinstance(expr, s.Text) and expr.value.lower() in known:
        text, is_certain = expr.value.lower(), True
    edits = (replacement(expr.span, text, is_certain=is_certain),) if "..." not in text else ()
    message, help = f"`{word}` must be one of {', '.join(known)}", f"write `{word} = {text}`"
    scope.fail("E0219", message, expr.span, help=help, fixes=edits)


def _in_our_words(scope: Scope, word: s.Ident, function: s.Name, expr: s.Call) -> None:
    """Raise E0219 for `Adam(learning_rate=1e-3)`, with the complete call in our words."""
    known = RECIPES[word.text]
    name = function.text.lower() if function.text.lower() in known else recipe_of(function.text)
    if name is None or name not in known:
        return
    written = [(a.name.text if a.name is not None else None, text_of(a.value)) for a in expr.arguments]
    text, notes = recipe_call(name, tuple(known[name].arguments()), in_their_order(function.text, written))
    noun = NOUNS.get(word.text, word.text)
    message = f"`{function.text}` is not {article(noun)} {noun}"
    edits = (replacement(expr.span, text, is_certain=not notes),)
    help = f"write `{text}`" + (f": {'; '.join(notes)}" if notes else "")
    scope.fail("E0219", message, function.span, help=help, fixes=edits)


def _argument_name(
    scope: Scope, function: s.Name, argument: s.Argument, position: int, names: tuple[str, ...]
) -> str:
    if argument.name is None and position >= len(names):
        count = f"{len(names)} argument{'s' if len(names) != 1 else ''}"
        scope.fail("E0411", f"`{function.text}` takes {count}: {', '.join(names)}", argument.span)
    word = argument.name.text if argument.name else names[position]
    if word not in names:
        ours = OPTIMIZER_WORDS.get(word) or SCHEDULE_WORDS.get(word)
        takes = f"`{function.text}` takes {', '.join(names)}"
        if ours in names:
            takes = f"write `{ours}={argument.value.span.text}`"
        if word in RUN_LENGTHS:
            takes = f"remove it: a schedule knows the length of the run; {takes}"
        if word == "eta_min" and "final" in names:
            takes = "write `final=`, the last rate as a fraction of the first"
        help = suggest(word, names) or takes
        at = argument.name.span if argument.name else argument.span
        scope.fail("E0406", f"`{function.text}` has no argument `{word}`", at, help=help)
    return word


def _argument_value(scope: Scope, name: str, argument: Argument, expr: s.Expr) -> float | bool:
    value = scope.evaluate(expr)
    if isinstance(argument.limit, Switch):
        if isinstance(value, bool):
            return value
    elif is_number(value):
        return statics.fixed(scope, value, expr.span)
    _wrong_kind(scope, name, argument, value, expr)


def _wrong_kind(scope: Scope, name: str, argument: Argument, value: Evaluated, expr: s.Expr) -> NoReturn:
    kind = argument.limit.text if isinstance(argument.limit, Switch) else "a number"
    message = f"`{argument.name}` of `{name}` must be {kind}, but got {describe(value)}"
    changes = []
    if isinstance(argument.limit, Switch) and is_number(value):  # PyTorch's order is lr, .., weight_decay
        text = f"weight_decay={expr.span.text}"
        changes = [(f"write `{text}`, if it is the weight decay", [(expr.span, text)])]
    if isinstance(expr, s.Text) and is_number_text(expr.value):
        changes.append((f"write `{argument.name}={expr.value}`, without quotes", [(expr.span, expr.value)]))
    scope.fail("E0403", message, expr.span, cause=Edited(changes))


def _check_ranges(
    scope: Scope,
    recipe: type[Recipe],
    name: str,
    arguments: Mapping[str, float | bool],
    places: Mapping[str, Span],
    span: Span,
) -> None:
    try:
        recipe.from_arguments(arguments)
    except RecipeError as wrong:
        at = places.get(wrong.argument, span)
        scope.fail("E1080", f"`{name}`: {wrong.message}", at, help=wrong.help)
