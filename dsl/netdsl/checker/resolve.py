"""Names in blocks that nothing calls: found by reading the text, since nothing runs it on types.

What a block calls with is not known here, so only names are looked at: every name that is used must be
bound before it, or mean something outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from netdsl import syntax as s
from netdsl.checker.calls.blocks import root_names
from netdsl.checker.calls.calls import TYPE_FUNCTIONS
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import POISON, Binding
from netdsl.checker.evaluate.expressions import lookup, unknown_name
from netdsl.checker.evaluate.inits import INITIALISERS
from netdsl.checker.evaluate.statements import IMPLICIT_INPUT
from netdsl.checker.evaluate.statics import FUNCTIONS
from netdsl.modules import Module

SPECIAL = frozenset({"einsum", "identity", "_", *TYPE_FUNCTIONS, *FUNCTIONS})


def check_names(checker: Checker, module: Module) -> None:
    """Report names without a meaning (E0201) in every block and cell of the file that nothing calls."""
    called = {key[0][0] for key in checker.bodies if isinstance(key, tuple) and isinstance(key[0], tuple)}
    for item in module.file.items:
        if isinstance(item, s.Block) and item.kind != "model" and id(item) not in called | checker.scanned:
            scope = Scope(checker, module, item)
            scope.names.update(root_names(scope))
            _Reader(scope).block(item)


class _Reader:
    """Reads one block from top to bottom, keeping the names that are bound so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def bind(self, names: Iterable[s.Ident | s.Name]) -> None:
        for name in names:
            self.scope.names.setdefault(name.text, Binding(POISON, name.span))

    def block(self, block: s.Block) -> None:
        for param in block.statics:
            self.uses(param.default)
            self.bind([param.name])
        for param in block.inputs or ():
            self.bind([param.name])
            self.bind(s.names_in(param.type))
            self.uses(param.default)
        if block.inputs is None:
            self.bind([s.Ident(block.span, IMPLICIT_INPUT)])
        for statement in block.body:
            self.statement(statement)
        self.uses(block.chain)

    def statement(self, statement: s.Statement) -> None:
        if isinstance(statement, s.Declaration):
            if statement.kind == "state":
                self.bind(s.names_in(statement.type))
            else:
                self.uses(statement.type)
            self.uses(statement.when)
            if statement.value is not None and not _is_initialiser(statement.value):
                self.uses(statement.value)
        else:
            for field in fields(statement):
                self.uses(getattr(statement, field.name))
        self.bind(s.bound_names(statement))

    def uses(self, node: object) -> None:
        """Look up every name that a node uses, in the order of the text."""
        if isinstance(node, s.Name):
            self.name(node)
        elif isinstance(node, s.Rearrange):
            self.bind(s.names_in(node.left))
        elif isinstance(node, s.Loop):
            self.uses(node.start)
            self.uses(node.stop)
            self.bind([node.variable])
            self.uses(node.body)
        elif (
            isinstance(node, s.Call) and isinstance(node.function, s.Name) and node.function.text == "einsum"
        ):
            for argument in node.arguments:
                self.bind(s.names_in(argument.value))
        elif isinstance(node, s.Attribute) and isinstance(node.value, s.Name):
            if node.value.text not in self.scope.module.aliases:
                self.name(node.value)
        elif isinstance(node, s.Node):
            for field in fields(node):
                self.uses(getattr(node, field.name))
        elif isinstance(node, tuple):
            for part in node:
                self.uses(part)

    def name(self, name: s.Name) -> None:
        if name.text in self.scope.names or name.text in SPECIAL:
            return
        with self.scope.recover():
            if lookup(self.scope, name.text) is None:
                unknown_name(self.scope, name)


def _is_initialiser(expr: s.Expr) -> bool:
    name = expr.function if isinstance(expr, s.Call) else expr
    return isinstance(name, s.Name) and name.text in INITIALISERS
