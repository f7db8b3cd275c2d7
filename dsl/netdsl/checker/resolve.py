"""Blocks that nothing calls: what can be said about them at their definition."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.checker.calls.blocks import root_names
from netdsl.checker.calls.reading import Reader
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.scope import Scope
from netdsl.modules import Module


def check_names(checker: Checker, module: Module) -> None:
    """Report names without a meaning (E0201) in every block and cell of the file that nothing calls."""
    called = {key[0][0] for key in checker.bodies if isinstance(key, tuple) and isinstance(key[0], tuple)}
    for item in module.file.items:
        if isinstance(item, s.Block) and item.kind != "model" and id(item) not in called | checker.scanned:
            scope = Scope(checker, module, item)
            scope.names.update(root_names(scope))
            Reader(scope).block(item)
