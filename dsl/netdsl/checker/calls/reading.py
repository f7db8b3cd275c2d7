"""Reading a text without its values: names must mean something, and calls take the arguments they are given.

This finds what evaluation cannot reach: the rest of a statement whose first part has an error, and blocks
that nothing calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from netdsl import syntax as s
from netdsl.arrivals.words import PARTS, WITH_WEIGHTS
from netdsl.checker.calls.attributes import attribute_name
from netdsl.checker.calls.calls import TYPE_FUNCTIONS
from netdsl.checker.calls.construct import check_static_name, construct_block
from netdsl.checker.calls.renamed import with_present_names
from netdsl.checker.calls.tensor_arguments import check_input_name
from netdsl.checker.context.scope import Scope, reads_failures
from netdsl.checker.context.values import POISON, Binding, BlockValue, Evaluated, OpValue, Poison
from netdsl.checker.evaluate.inits import INITIALISERS
from netdsl.checker.evaluate.python_words import foreign_module
from netdsl.checker.evaluate.statements import IMPLICIT_INPUT, input_names, is_function
from netdsl.checker.evaluate.statics import FUNCTIONS
from netdsl.checker.foreign.met import met
from netdsl.recipes import METRICS

SPECIAL = frozenset({"einsum", "identity", "_", *TYPE_FUNCTIONS, *FUNCTIONS, *INITIALISERS, *METRICS})


@reads_failures
def read(scope: Scope, node: s.Node) -> None:
    """Report names without a meaning (E0201) and arguments that do not exist (E0406) anywhere in a node."""
    Reader(scope.copy()).node(node)


@dataclass
class Reader:
    """Reads a text from top to bottom; `scope` keeps the names that are bound so far."""

    scope: Scope
    is_optional: bool = False
    """Whether what is read may be left out, so that its values need not be possible."""

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
            self.node(statement)
        self.uses(block.chain)

    def node(self, node: s.Node) -> None:
        """Read a statement, whose names are bound afterwards, or a part of one."""
        if isinstance(node, s.Declaration):
            self._declaration(node)
        elif isinstance(node, s.Expect):
            self.uses((node.value, node.other, node.tolerance))
        elif isinstance(node, s.Statement):
            self._parts(node)
        else:
            self.uses(node)
        if isinstance(node, s.Statement):
            self.bind(s.bound_names(node))

    def _declaration(self, node: s.Declaration) -> None:
        if node.kind == "state":
            self.bind(s.names_in(node.type))
        else:
            self.uses(node.type)
        self.uses((node.when, node.value))

    def _parts(self, node: s.Node) -> None:
        for field in fields(node):
            self.uses(getattr(node, field.name))

    def uses(self, node: object) -> None:
        """Look up every name that a node uses, in the order of the text."""
        if isinstance(node, s.Name):
            self.value(node)
        elif isinstance(node, s.Rearrange):
            self.bind(s.names_in(node.left))
        elif isinstance(node, s.Loop):
            self.uses((node.start, node.stop))
            self.bind([node.variable])
            self.uses(node.body)
        elif isinstance(node, s.Call):
            self._call(node)
        elif isinstance(node, s.Conditional) or (isinstance(node, s.Stage) and node.when is not None):
            before, self.is_optional = self.is_optional, True
            self._parts(node)
            self.is_optional = before
        elif isinstance(node, s.Attribute) and foreign_module(self.scope, node) is not None:
            self._foreign(node)
        elif isinstance(node, s.Attribute) and isinstance(node.value, s.Name):
            if node.value.text not in self.scope.module.aliases:
                self.value(node.value)
        elif isinstance(node, s.Node):
            self._parts(node)
        elif isinstance(node, tuple):
            for part in node:
                self.uses(part)

    def value(self, name: s.Expr) -> Evaluated | Poison:
        """What a name means; reports one that means nothing."""
        if not isinstance(name, s.Name) or (name.text in SPECIAL and name.text not in self.scope.names):
            return POISON
        if name.span in self.scope.checker.places:  # whatever is wrong with it has been said
            return POISON
        if self._is_translated(name, name):
            return POISON
        with self.scope.recover():
            return self.scope.evaluate(name)
        return POISON

    def _is_translated(self, node: s.Expr, name: s.Name) -> bool:
        """Whether a layer is written as in another framework, which is reported with what it is here."""
        may_be = name.text[0].isupper() or name.text in WITH_WEIGHTS
        if not may_be or self.scope.checker.replaces(name.span):
            return False
        with self.scope.recover():
            return met(self.scope, node, []) is not None
        return True

    def _foreign(self, node: s.Attribute) -> None:
        """A name from a module of another framework, unless it has been reported with its translation."""
        if not self.scope.checker.replaces(node.span):
            with self.scope.recover():
                self.scope.evaluate(node)

    # -- calls ------------------------------------------------------------------------------------

    def _call(self, call: s.Call) -> None:
        if isinstance(call.function, s.Name) and call.function.text == "einsum":
            for argument in call.arguments:
                self.bind(s.names_in(argument.value))
            return
        if foreign_module(self.scope, call.function) is not None:
            if not self.scope.checker.replaces(call.function.span):
                with self.scope.recover() as attempt:
                    met(self.scope, call, [])
                if attempt.failed:
                    return
        elif isinstance(call.function, s.Name) and self._is_translated(call, call.function):
            for argument in call.arguments:
                self.uses(argument.value)
            return
        function = self.value(call.function)
        if not isinstance(call.function, s.Name):
            self.uses(call.function)
        for argument in () if self._has_no_counterpart(call) else call.arguments:
            self.uses(argument.value)
        if function is not POISON:
            self._argument_names(function, with_present_names(self.scope, function, call))
            self._static_values(function, call)
        elif isinstance(call.function, s.Call):
            self._input_names(call)

    def _has_no_counterpart(self, call: s.Call) -> bool:
        """Whether a call of another framework is written in another way here, so that no argument is left."""
        function = call.function
        is_foreign = foreign_module(self.scope, function) is not None
        return is_foreign and isinstance(function, s.Attribute) and function.name.text in PARTS

    def _static_values(self, function: Evaluated, call: s.Call) -> None:
        """Numbers and texts that a layer cannot take, whatever comes before it."""
        if not isinstance(function, BlockValue) or function.statics is not None or self.is_optional:
            return
        if self.scope.checker.replaces(call.span):
            return
        literals = all(isinstance(a.value, s.Number | s.Text | s.Operation) for a in call.arguments)
        if literals and function.module.is_std and function.block.statics and not is_function(function.block):
            with self.scope.recover():
                construct_block(self.scope, function, call.arguments, call.span)

    def _argument_names(self, function: Evaluated, call: s.Call) -> None:
        """The names of arguments that an operator or a block takes."""
        for argument in call.arguments:
            with self.scope.recover():
                if argument.name is None or self.scope.checker.replaces(argument.name.span):
                    continue
                if isinstance(function, OpValue):
                    slots = [slot.rstrip("?") for slot in function.op.inputs]
                    if argument.name.text not in slots:
                        attribute_name(self.scope, function.op, argument.name.text, argument.name.span)
                elif isinstance(function, BlockValue):
                    self._block_argument(function.block, argument, function.statics is not None)

    def _block_argument(self, block: s.Block, argument: s.Argument, is_constructed: bool) -> None:
        takes_inputs = is_function(block) or not block.statics or block.kind == "cell"
        if takes_inputs and argument.name is not None and argument.name.text in input_names(block):
            return
        if block.statics and not is_constructed:
            check_static_name(self.scope, block, argument)
        elif argument.name is not None and block.kind != "cell":
            check_input_name(self.scope, block, argument.name, argument)

    def _input_names(self, call: s.Call) -> None:
        """`Block(..)(name=..)`: the names of the tensor inputs."""
        inner = call.function
        if not isinstance(inner, s.Call) or not isinstance(inner.function, s.Name):
            return
        block = self.value(inner.function)
        if not isinstance(block, BlockValue) or block.block.kind == "cell" or is_function(block.block):
            return
        for argument in call.arguments:
            with self.scope.recover():
                if argument.name is not None:
                    check_input_name(self.scope, block.block, argument.name, argument)
