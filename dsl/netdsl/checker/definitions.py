"""Blocks that nothing calls, checked at their definition.

Their inputs have fresh sizes, and their static parameters their defaults or no known value. Where a type
leaves the element type or the number of axes open, or a parameter may be something else than its default,
the block is checked in several variants: an error is reported if all of them have it, since then every call
would.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from netdsl import syntax as s
from netdsl.checker.calls.blocks import check_outputs, root_names
from netdsl.checker.calls.reading import Reader
from netdsl.checker.context.causes import Edited, Mismatch, Refused, Unequal
from netdsl.checker.context.checker import Checker, TooManyErrors
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import POISON, Binding, Evaluated, Poison
from netdsl.checker.evaluate import inits
from netdsl.checker.evaluate.statements import IMPLICIT_INPUT, run_body
from netdsl.checker.sizes.shapes import TypePattern, axis_names, declare, type_pattern
from netdsl.diagnostics import Diagnostic
from netdsl.dims import Dim, symbol
from netdsl.immutable import immutable
from netdsl.modules import Module
from netdsl.types import DType, TensorType

OPEN_RANKS = (1, 0, 2, 3)
"""How many axes `*rest` is tried with."""
OPEN_DTYPES = (DType.F32, DType.I64, DType.BOOL)
"""The element types that an input without one is tried with."""
UNCERTAIN = frozenset(("E0301", "E0305", "E0306", "E0309", "E0311", "E0603", "E0605", "E0606"))
"""Codes of errors that depend on the sizes of a call."""


@immutable
class Variant:
    """What is taken for the parts of a signature that leave a choice."""

    rank: int = 1
    dtype: DType = DType.F32
    uses_defaults: bool = True


def check_definitions(checker: Checker, module: Module) -> None:
    """Report the errors of blocks and cells that nothing calls, and of bodies behind an unreadable header."""
    called = {key[0][0] for key in checker.bodies if isinstance(key, tuple) and isinstance(key[0], tuple)}
    for item in module.file.items:
        if isinstance(item, s.BrokenItem) and item.body:
            _read_behind_header(checker, module, item)
        if isinstance(item, s.Block) and item.kind != "model" and id(item) not in called | checker.scanned:
            scope = Scope(checker, module, item)
            scope.names.update(root_names(scope))
            Reader(scope).block(item)
            known = {(d.code, d.span) for d in checker.diagnostics}
            found = errors_of_all(checker, module, item)
            checker.report(d for d in found if (d.code, d.span) not in known)


def _read_behind_header(checker: Checker, module: Module, item: s.BrokenItem) -> None:
    """Report unknown names and arguments in a body whose header cannot be read; its words may be inputs."""
    scope = Scope(checker, module, is_open=True)
    scope.names.update(root_names(scope))
    reader = Reader(scope)
    reader.bind(item.words)
    for statement in item.body:
        reader.node(statement)


def errors_of_all(checker: Checker, module: Module, block: s.Block) -> list[Diagnostic]:
    """The errors that a block has in every variant."""
    common: list[Diagnostic] | None = None
    for variant in _variants(block):
        found = [d for d in _errors(checker, module, block, variant) if _is_certain(d)]
        common = found if common is None else [d for d in common if any(_meet(d, one) for one in found)]
        if not common:
            break
    return common or []


def _meet(one: Diagnostic, other: Diagnostic) -> bool:
    """Whether two errors are at one place, or one within the call that the other is about."""
    a, b = one.span, other.span
    if a is None or b is None or a.source is not b.source:
        return a == b and one.code == other.code
    return (a.start <= b.start and b.end <= a.end) or (b.start <= a.start and a.end <= b.end)


def _variants(block: s.Block) -> Iterator[Variant]:
    types = [param.type for param in block.inputs or ()]
    is_open = any(isinstance(t, s.ListExpr) for t in types)
    lists = [t.elements for t in types if isinstance(t, (s.ListExpr, s.Index))]
    has_rest = any(isinstance(element, s.Star) for elements in lists for element in elements)
    has_defaults = any(param.default is not None for param in (*block.statics, *(block.inputs or ())))
    for rank, dtype, uses_defaults in product(
        OPEN_RANKS if has_rest else (1,),
        OPEN_DTYPES if is_open else (DType.F32,),
        (True, False) if has_defaults else (True,),
    ):
        yield Variant(rank, dtype, uses_defaults)


def _errors(checker: Checker, module: Module, block: s.Block, variant: Variant) -> list[Diagnostic]:
    """The errors of a block in one variant."""
    probe = Checker(module, checker.config, checker.training, is_definition=True)
    scope = Scope(probe, module, block)
    scope.names.update(root_names(scope))
    try:
        for param in block.statics:
            scope.bind(param.name.text, _static(scope, param, variant), param.name.span, "static")
        if block.inputs is None:
            scope.names[IMPLICIT_INPUT] = Binding(POISON, block.span, "input")
        for param in block.inputs or ():
            _bind_input(scope, param, variant)
        run_body(scope)
        with scope.recover():
            check_outputs(scope, block)
    except TooManyErrors:
        pass
    return [d for d in probe.diagnostics if d.severity == "error"]


def _static(scope: Scope, param: s.Param, variant: Variant) -> Evaluated | Poison:
    """A static parameter: its default, a size of which nothing is known, or an unknown value."""
    kind = param.type.text if isinstance(param.type, s.Name) else ""
    if param.default is not None and variant.uses_defaults:
        with scope.recover():
            if kind == "init":
                return inits.read(scope, param.default, "param")
            return scope.evaluate(param.default)
    return symbol(param.name.text, param.name.span) if kind == "int" else POISON


def _bind_input(scope: Scope, param: s.Param, variant: Variant) -> None:
    name = param.name
    scope.bind(name.text, POISON, name.span, "input")
    with scope.recover():
        if param.default is not None and not variant.uses_defaults:
            scope.bind(name.text, scope.evaluate(param.default), name.span, "input")
        elif param.type is not None:
            pattern = type_pattern(scope, param.type)
            sizes = tuple(_sizes(scope, name.text, pattern, variant))
            type_ = TensorType(pattern.dtype or variant.dtype, sizes)
            tensor = scope.add_value(type_, name.span, axis_names(pattern.sizes, type_.rank))
            scope.bind(name.text, tensor, name.span, "input")


def _sizes(scope: Scope, name: str, pattern: TypePattern, variant: Variant) -> list[Dim]:
    """The sizes of an input: new names are free sizes, and `*rest` is some of them."""
    sizes: list[Dim] = []
    for axis, element in enumerate(pattern.sizes):
        if not isinstance(element, s.Star):
            one = TypePattern(pattern.dtype, (element,), pattern.span)
            sizes += declare(scope, f"{name}.{axis}", one).shape
            continue
        word = element.value.text if isinstance(element.value, s.Name) else "_"
        known = scope.names.get(word)
        fresh = tuple(symbol(f"{name}.{word}.{n}", element.span) for n in range(variant.rank))
        if known is not None and isinstance(known.value, tuple):
            fresh = tuple(size for size in known.value if isinstance(size, Dim))
        elif word != "_":
            scope.bind(word, fresh, element.span, "size")
        sizes += fresh
    return sizes


def _is_certain(finding: Diagnostic) -> bool:
    """Whether an error does not depend on the sizes of a call."""
    if finding.code in UNCERTAIN:
        return False
    if finding.code != "E0302":
        return True
    cause = finding.cause
    if isinstance(cause, Mismatch):
        return cause.sizes is None or cause.sizes[0].compare(cause.sizes[1]) in (-1, 1)
    if isinstance(cause, Unequal):
        return cause.expected.compare(cause.actual) in (-1, 1) and not cause.parts
    return isinstance(cause, (Refused, Edited))
