"""Names that must be unique in a file: parameters, inputs, outputs, tests, and rules of `weights`."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl import syntax as s
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.scope import Scope
from netdsl.diagnostics import Label, suggest
from netdsl.modules import Module

RULE_MODIFIERS = ("transpose",)
"""What may follow a rule of a `weights` section."""


def check_signatures(checker: Checker, module: Module) -> None:
    """Report names given twice (E0203), and `weights` sections that cannot be meant so (E0501 on)."""
    scope = Scope(checker, module)
    for item in module.file.items:
        if isinstance(item, s.Block):
            _once(scope, [p.name for p in (*item.statics, *(item.inputs or ()))], "is a parameter twice")
            _once(scope, [o.name for o in item.outputs or () if o.name], "is an output twice")
        elif isinstance(item, s.Weights):
            _weights(scope, item)
    tests = [item.name for item in module.file.items if isinstance(item, s.Test)]
    _once(scope, [s.Ident(t.span, t.value) for t in tests], "is the name of two tests")
    maps = [item.name for item in module.file.items if isinstance(item, s.Weights)]
    _once(scope, maps, "is the name of two `weights` sections")


def _once(scope: Scope, names: Iterable[s.Ident], what: str) -> None:
    first: dict[str, s.Ident] = {}
    for name in names:
        old = first.setdefault(name.text, name)
        if old is not name and name.text != "_":
            with scope.recover():
                also = [Label(old.span, "the first is here")]
                scope.fail("E0203", f"`{name}` {what}", name.span, also=also, help="give one another name")


def _weights(scope: Scope, section: s.Weights) -> None:
    if not section.rules:
        with scope.recover():
            help = 'write `"theirs.*" => "ours.*"`'
            scope.fail("E0501", f"`weights {section.name}` has no rules", section.name.span, help=help)
    first: dict[str, s.Text] = {}
    for rule in section.rules:
        for theirs in rule.theirs:
            old = first.setdefault(theirs.value, theirs)
            with scope.recover():
                if old is not theirs:
                    also = [Label(old.span, "the first is here, and the first that matches applies")]
                    message = f'"{theirs.value}" is mapped twice'
                    scope.fail("E0502", message, theirs.span, also=also, help="keep one of them")
        for modifier in rule.modifiers:
            _modifier(scope, modifier)


def _modifier(scope: Scope, modifier: s.Ident) -> None:
    with scope.recover():
        if modifier.text not in RULE_MODIFIERS:
            help = suggest(modifier.text, RULE_MODIFIERS) or "`transpose` swaps the last two axes"
            scope.fail("E0503", f"`{modifier}` is not a modifier of a rule", modifier.span, help=help)
