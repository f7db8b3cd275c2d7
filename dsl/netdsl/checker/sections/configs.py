"""The configuration of a file: defaults, what the caller sets, and the assertions on them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from netdsl import syntax as s
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import POISON, Binding, Poison, Static, Tensor, describe, is_static
from netdsl.checker.evaluate.assertions import check_assertion
from netdsl.checker.evaluate.kinds import check_kind
from netdsl.diagnostics import Label, error, suggest
from netdsl.dims import MAX_SIZE
from netdsl.modules import Module, with_imports
from netdsl.recipes import NUMBERS
from netdsl.types import DType

Overrides = Mapping[str, object]
_OF_TRAINING = {
    **dict.fromkeys(("lr", "learning_rate"), "optimizer.lr"),
    "weight_decay": "optimizer.weight_decay",
    **{word: word for word in NUMBERS},
}
"""Names that a `config` rarely has, because they are settings of `train`."""


def evaluate_config(checker: Checker, module: Module, overrides: Overrides) -> dict[str, Static | Poison]:
    """The values of a module's configuration, in order; later entries may use earlier ones.

    Reports E0414 for an override that names no entry, and E0403 for one of another kind. An entry with an
    error has a value that raises no others.
    """
    scope = Scope(checker, module)
    scope.bind("training", checker.training, module.file.span, "config")
    known = [*dict.fromkeys(entry.name.text for entry in module.config), *_unread(module)]
    for word in overrides:
        if word not in known:
            entries = f"it has {', '.join(known)}" if known else "it has no `config`"
            if word in _OF_TRAINING:
                value = overrides[word]
                entries += f"; `netrun train` takes it as `--train {_OF_TRAINING[word]}={value}`"
            help = suggest(word, known) or entries
            wrong = error("E0414", f"`{module.source.name}` has no config entry `{word}`", help=help)
            checker.report(wrong.diagnostics)
    values: dict[str, Static | Poison] = {}
    for item in module.file.items:
        if isinstance(item, s.Config):
            for line in item.entries:
                with scope.recover():
                    _line(scope, line, overrides, values)
    return values


def _unread(module: Module) -> list[str]:
    """The names of entries that cannot be read."""
    lines = [line for item in module.file.items if isinstance(item, s.Config) for line in item.entries]
    return [name.text for line in lines if isinstance(line, s.Broken) for name in line.names]


def _line(
    scope: Scope,
    line: s.ConfigEntry | s.Assert | s.Broken,
    overrides: Overrides,
    values: dict[str, Static | Poison],
) -> None:
    if isinstance(line, s.Broken):
        for ident in line.names:
            values[ident.text] = POISON
            scope.names[ident.text] = Binding(POISON, ident.span, "config")
        return
    if isinstance(line, s.Assert):
        check_assertion(scope, line)
        return
    name = line.name.text
    if name in values:
        also = [Label(scope.names[name].span, "the first is here")]
        scope.fail("E0203", f"`{name}` is configured twice", line.name.span, also=also, help="keep one")
    values[name] = POISON
    scope.names[name] = Binding(POISON, line.name.span, "config")
    value = scope.evaluate(line.value)
    if isinstance(value, Tensor):
        message = f"a config entry must be static, but got {describe(value)}"
        scope.fail("E0403", message, line.value.span, help="make the tensor in a block, from a number")
    if name in overrides:
        value = _override(name, value, overrides[name], line)
    if line.type is not None:
        check_kind(scope, f"`{name}`", line.type, value, line.value.span)
    values[name] = value
    scope.bind(name, value, line.name.span, "config")


def _override(name: str, default: Static, given: object, line: s.ConfigEntry) -> Static:
    """A value from outside, read as the kind of the default. Raises E0403 if it is of a different kind."""
    value = given
    if isinstance(given, str) and not isinstance(default, str):
        value = _parse(given)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 2**1023:
            raise error("E0603", f"`{name}` is set to a number too large for a float", line.span)
        value = float(value)
    if isinstance(default, DType) and isinstance(value, str) and value in [d.value for d in DType]:
        value = DType(value)
    declared_float = isinstance(line.type, s.Name) and line.type.text == "float"
    converted = _as_list(value)
    same = isinstance(converted, type(default)) and isinstance(value, bool) == isinstance(default, bool)
    fits = same or (declared_float and isinstance(value, float)) or default is None
    if not fits or not is_static(converted):
        also = f"its default is {describe(default)}"
        message = f"`{name}` is set to {given!r}, but {also}"
        raise error("E0403", message, line.span, "declared here", help=_as_default(name, value, default))
    if isinstance(value, int) and abs(value) > MAX_SIZE:
        raise error("E0603", f"`{name}` is set to a number that does not fit in 64 bits", line.span)
    return converted


def _as_default(name: str, value: object, default: object) -> str:
    """A value of the kind of the default: the same number, where it is one."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < MAX_SIZE
    if whole and isinstance(value, float) and isinstance(default, int) and not isinstance(default, bool):
        return f"write {name}={int(value)}"
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"give a value of that kind, such as {name}={shown}"


def _as_list(value: object) -> object:
    """Lists of Python as lists of the language, which are tuples."""
    return tuple(map(_as_list, value)) if isinstance(value, (list, tuple)) else value


def _parse(text: str) -> object:
    """A number, a truth value or a list as JSON writes it; anything else is text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def configure(checker: Checker, module: Module, overrides: Overrides) -> None:
    """Evaluate the configuration of a module and, with their defaults, of all it imports."""
    config = dict(checker.config)
    checker.config = config
    for each in with_imports(module):
        config[each] = evaluate_config(checker, each, overrides if each is module else {})
