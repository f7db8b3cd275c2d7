"""Evaluates each kind of expression. Static parts become numbers; tensor parts become steps."""

from __future__ import annotations

from typing import NoReturn

from netdsl import syntax as s
from netdsl.checker.context.causes import Edited, NotANumber
from netdsl.checker.context.scope import Scope, evaluates
from netdsl.checker.context.values import (
    POISON,
    BlockValue,
    Evaluated,
    LayerValue,
    OpValue,
    Poison,
    PoisonedError,
    Static,
    Tensor,
    describe,
    is_bundle,
    is_integer,
)
from netdsl.checker.evaluate import python_words, statics
from netdsl.checker.evaluate.unknown import unknown_name
from netdsl.diagnostics import Label, suggest
from netdsl.dims import Dim, dim
from netdsl.edits import replacement
from netdsl.model import OpStep, Parameter, join
from netdsl.modules import std_block
from netdsl.ops.contract.assuming import AT_LEAST, assume, assuming
from netdsl.ops.contract.base import REGISTRY
from netdsl.ops.create.create import Constant
from netdsl.ops.index.gather import Gather
from netdsl.ops.shape.reshape import Squeeze
from netdsl.ops.shape.slice import Slice
from netdsl.source import Span
from netdsl.types import DType

_OPERATORS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "modulo",
    "**": "power",
    "@": "matmul",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_DTYPES = {d.value: d for d in DType}


@evaluates(s.Number)
def number(scope: Scope, expr: s.Number) -> Evaluated:
    return expr.value


@evaluates(s.Text)
def text(scope: Scope, expr: s.Text) -> Evaluated:
    return expr.value


@evaluates(s.Boolean)
def boolean(scope: Scope, expr: s.Boolean) -> Evaluated:
    return expr.value


@evaluates(s.NoneValue)
def none(scope: Scope, expr: s.NoneValue) -> Evaluated:
    return None


@evaluates(s.Name)
def name(scope: Scope, expr: s.Name) -> Evaluated | Poison:
    """A name: of the body, of the file and its imports, of the standard library, or an operator."""
    if expr.text in scope.names:
        return scope.names[expr.text].value
    found = lookup(scope, expr.text)
    if found is None and expr.text in scope.module.unknown:
        return POISON
    if found is None:
        if expr.text in python_words.PYTHON_WORDS:
            return python_words.python_word(scope, expr)
        unknown_name(scope, expr)
    return found


@evaluates(s.Unknown)
def unknown(scope: Scope, expr: s.Unknown) -> Poison:
    return POISON


def lookup(scope: Scope, word: str) -> Static:
    """What a name means outside the body: a block, an operator, an element type; None if nothing."""
    module = scope.module
    if word in module.blocks:
        return BlockValue(module.blocks[word], module)
    if word in module.imported:
        block, origin, _ = module.imported[word]
        return BlockValue(block, origin)
    if word in REGISTRY:
        return OpValue(REGISTRY[word])
    if word in _DTYPES:
        return _DTYPES[word]
    standard = std_block(word)
    return BlockValue(*standard) if standard else None


@evaluates(s.Slice)
def slice_(scope: Scope, expr: s.Slice) -> NoReturn:
    scope.fail("E0402", "`:` is allowed only in an index", expr.span, help="`x[0:4]` takes elements 0 to 3")


@evaluates(s.Star)
def star(scope: Scope, expr: s.Star) -> NoReturn:
    help = "`[*rest, 4]` splices the sizes of `rest`"
    scope.fail("E0402", "`*` is allowed only in a list or a type", expr.span, help=help)


@evaluates(s.ListExpr)
def list_(scope: Scope, expr: s.ListExpr) -> Evaluated:
    values: list[Evaluated] = []
    for element in expr.elements:
        value = scope.evaluate(element.value if isinstance(element, s.Star) else element)
        if isinstance(element, s.Star):
            if not isinstance(value, tuple):
                scope.fail("E0402", f"`*` splices a list, but this is {describe(value)}", element.span)
            values += value
        else:
            values.append(value)
    return statics.not_too_long(scope, tuple(values), expr.span)


@evaluates(s.Operation)
def operation(scope: Scope, expr: s.Operation) -> Evaluated:
    value = scope.evaluate(expr.first)
    for operator, operand in expr.rest:
        right = scope.evaluate(operand)
        value = binary(scope, operator, value, right, expr.first.span.to(operand.span))
    if scope.doubts and not isinstance(value, Tensor) and scope.is_derived(expr):
        raise PoisonedError
    return value


def binary(scope: Scope, operator: str, a: Evaluated, b: Evaluated, span: Span) -> Evaluated:
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        if is_bundle(a) or is_bundle(b):
            scope.fail("E0402", f"`{operator}` cannot combine {describe(a)} with {describe(b)}", span)
        return statics.combine(scope, operator, a, b, span)
    if operator in ("==", "!=") and (a is None or b is None):
        return operator == "!="  # a tensor is not `none`: this is how a block asks for an optional input
    return apply_named(scope, _OPERATORS[operator], [a, b], span, operator)


def apply_named(scope: Scope, op: str, operands: list[Evaluated], span: Span, shown: str) -> Evaluated:
    """An operator without attributes on tensors and numbers; numbers take the tensors' element type."""
    like = next(v for v in operands if isinstance(v, Tensor))
    tensors = [lift(scope, v, like, span, shown) for v in operands]
    return scope.add_op(REGISTRY[op](), tensors, span, shown=shown)[0]


def lift(scope: Scope, value: Evaluated, like: Tensor, span: Span, shown: str) -> Tensor:
    """A number as a scalar tensor of the element type of `like`. Raises E0303 if it does not fit."""
    if isinstance(value, Tensor):
        return value
    dtype = like.type.dtype
    if not isinstance(value, (int, float, bool, Dim)):
        help = None
        if isinstance(value, OpValue):
            help = f"apply it: `{value}(x)`"
        elif isinstance(value, (BlockValue, LayerValue)):
            help = f"apply it: `{value}(..)(x)`" if isinstance(value, BlockValue) else f"`{value.name}(x)`"
        message = f"`{shown}` cannot combine {describe(value)} with {describe(like)}"
        scope.fail("E0402", message, span, help=help)
    fits = isinstance(value, bool) == (dtype is DType.BOOL)
    fits = fits and not (isinstance(value, float) and not dtype.is_float)
    if not fits:
        help = f"convert the tensor first: `cast({'f32' if dtype is not DType.BOOL else 'i32'})`"
        cause = NotANumber(scope.where(span)) if dtype is DType.BOOL else None
        scope.fail(
            "E0303", f"{describe(value)} does not go with {describe(like)}", span, help=help, cause=cause
        )
    return scope.add_op(Constant(value, (), dtype), [], span)[0]


@evaluates(s.Negative)
def negative(scope: Scope, expr: s.Negative) -> Evaluated:
    value = scope.evaluate(expr.value)
    if isinstance(value, Tensor):
        return apply_named(scope, "negate", [value], expr.span, "-")
    return statics.negate(scope, value, expr.span)


@evaluates(s.Not)
def not_(scope: Scope, expr: s.Not) -> Evaluated:
    value = scope.evaluate(expr.value)
    if isinstance(value, Tensor):
        return apply_named(scope, "logical_not", [value], expr.span, "not")
    return not statics.truth(scope, value, expr.value.span)


@evaluates(s.Logic)
def logic(scope: Scope, expr: s.Logic) -> Evaluated:
    """`and` and `or`; on static values the right side is not evaluated if the left decides."""
    value = scope.evaluate(expr.operands[0])
    for before, operand in zip(expr.operands, expr.operands[1:], strict=False):
        if not isinstance(value, Tensor):
            decided = statics.truth(scope, value, before.span)
            if decided == (expr.operator == "or"):
                return decided
        right = scope.evaluate(operand)
        if isinstance(value, Tensor) or isinstance(right, Tensor):
            value = apply_named(scope, f"logical_{expr.operator}", [value, right], expr.span, expr.operator)
        else:
            value = statics.truth(scope, right, operand.span)
    return value


@evaluates(s.Conditional)
def conditional(scope: Scope, expr: s.Conditional) -> Evaluated:
    condition = scope.evaluate(expr.condition)
    if isinstance(condition, Tensor):
        help = "choose element by element with `where(condition, a, b)`"
        scope.fail(
            "E0402", "`if` needs a condition that is known before running", expr.condition.span, help=help
        )
    chosen = expr.then if statics.truth(scope, condition, expr.condition.span) else expr.otherwise
    return scope.evaluate(chosen)


@evaluates(s.Attribute)
def attribute(scope: Scope, expr: s.Attribute) -> Evaluated | Poison:
    """`module.Block`, or a layer's own weight: `embed.weight`."""
    if isinstance(expr.value, s.Name) and expr.value.text in scope.module.aliases:
        module = scope.module.aliases[expr.value.text]
        if module is None or expr.name.text in module.unknown:
            return POISON
        if expr.name.text in module.blocks:
            return BlockValue(module.blocks[expr.name.text], module)
        help: str | None = suggest(expr.name.text, module.blocks)
        scope.fail("E0201", f"`{expr.value.text}` has no block `{expr.name}`", expr.name.span, help=help)
    module_of_others = python_words.foreign_module(scope, expr)
    if module_of_others is not None:
        python_words.fail_as_foreign(scope, expr, module_of_others)
    value = scope.evaluate(expr.value)
    if isinstance(value, LayerValue):
        return _layer_weight(scope, value, expr)
    python_words.fail_as_attribute(scope, expr, value)


def _layer_weight(scope: Scope, layer: LayerValue, expr: s.Attribute) -> Tensor:
    use = scope.use_of(layer)
    if use.body is None:
        help = "apply the layer first: its weights take their shapes from its input"
        scope.fail("E0207", f"the layer `{layer.name}` has no weights yet", expr.span, help=help)
    steps = [p for p in use.body.steps if isinstance(p, OpStep) and isinstance(p.op, Parameter)]
    step = next((p for p in steps if p.label == expr.name.text), None)
    if step is None:
        near = suggest(expr.name.text, [p.label for p in steps])
        message = f"the layer `{layer.name}` has no weight `{expr.name}`"
        scope.fail("E0201", message, expr.name.span, help=near)
    label = join(layer.path, step.label)
    return scope.add_source(OpStep(step.op, (), step.types, label, expr.span))


@evaluates(s.Index)
def index(scope: Scope, expr: s.Index) -> Evaluated:
    value = scope.evaluate(expr.value)
    if isinstance(value, Tensor):
        return _index_tensor(scope, value, expr)
    if isinstance(value, DType):
        text = f"ones([{', '.join(e.span.text for e in expr.elements)}], {value})"
        edits = (replacement(expr.span, text, is_certain=False),)
        message = "a type is not a value"
        scope.fail("E0402", message, expr.span, help=f"a tensor of that type is `{text}`", fixes=edits)
    if not isinstance(value, tuple):
        scope.fail("E0402", f"only lists and tensors have elements, but this is {describe(value)}", expr.span)
    if len(expr.elements) != 1 or isinstance(expr.elements[0], s.Slice):
        scope.fail("E0402", "a list takes one index", expr.span)
    element = expr.elements[0]
    position = scope.evaluate(element)
    if not is_integer(position):
        scope.fail("E0402", f"an index must be an integer, but this is {describe(position)}", element.span)
    at = int(statics.fixed(scope, position, element.span))
    if not -len(value) <= at < len(value):
        message = f"the list has {len(value)} elements, but the index is {at}"
        scope.fail("E0404", message, element.span, help=f"indices run from 0 to {len(value) - 1}")
    return value[at]


def _index_tensor(scope: Scope, tensor: Tensor, expr: s.Index) -> Tensor:
    """`x[:, 0, 2:]`: slices keep their axis, integers take it away."""
    python_words.check_new_axes(scope, expr)
    if len(expr.elements) > tensor.type.rank:
        message = f"an index of {len(expr.elements)} parts is too long for {tensor.type}"
        kept = ", ".join(element.span.text for element in expr.elements[: tensor.type.rank])
        shorter = f"{expr.value.span.text}[{kept}]" if kept else expr.value.span.text
        cause = Edited([(f"write `{shorter}`", [(expr.span, shorter)])])
        also = [Label(tensor.span, "the tensor comes from here")]
        scope.fail("E0302", message, expr.span, also=also, cause=cause)
    taken: list[int] = []
    for axis, element in enumerate(expr.elements):
        if isinstance(element, s.Slice):
            start, stop = (_bound(scope, part) for part in (element.start, element.stop))
            step = _bound(scope, element.step)
            stride = 1 if step is None else int(statics.fixed(scope, step, expr.span))
            if start is not None or stop is not None or stride != 1:
                (tensor,) = scope.add_op(Slice(axis, start, stop, stride), [tensor], expr.span)
            continue
        at = scope.evaluate(element)
        if not is_integer(at):
            help = "pick rows by a tensor of indices with `gather`" if isinstance(at, Tensor) else None
            scope.fail(
                "E0402", f"an index must be an integer, but this is {describe(at)}", element.span, help=help
            )
        tensor = _pick(scope, tensor, axis, dim(at), element.span)
        taken.append(axis)
    return scope.add_op(Squeeze(tuple(taken)), [tensor], expr.span)[0] if taken else tensor


def _pick(scope: Scope, tensor: Tensor, axis: int, at: Dim, span: Span) -> Tensor:
    """One element of an axis, which stays with size 1.

    Where the size of the axis is free, a run looks whether it has the element. Raises E0302 if it
    cannot have it.
    """
    size = tensor.type.shape[axis]
    picked = Slice(axis, at, None if at == -1 else at + 1, 1)
    there = picked.shape(tensor.type).shape[axis]
    if there == 0:
        also = [Label(tensor.span, f"this is {tensor.type}")]
        bounds = f"indices run from 0 to {size - 1}, or from {-size} to -1" if size != 0 else None
        message = f"index {at} is outside axis {axis}, which has {size}"
        is_fixed = isinstance(at, int) or at.is_fixed
        last = f"{size - 1}"
        changes = [(f"write `{last}`: {bounds}", [(span, last)])] if at == size else []
        cause = Edited(changes) if is_fixed and size.is_fixed else None
        scope.fail("E0302", message, span, also=also, help=bounds, cause=cause)
    if there == 1:
        return scope.add_op(picked, [tensor], span)[0]
    least = at + 1 if at.compare(-1) == 1 else -at
    with assuming() as conditions:
        assume(AT_LEAST, size, least)
    scope.take_for_granted(conditions, span)
    (index,) = scope.add_op(Constant(at, (dim(1),), DType.I64), [], span)
    return scope.add_op(Gather(axis), [tensor, index], span)[0]


def _bound(scope: Scope, part: s.Expr | None) -> Dim | None:
    if part is None:
        return None
    value = scope.evaluate(part)
    if not is_integer(value):
        scope.fail(
            "E0402", f"the bounds of a slice must be integers, but this is {describe(value)}", part.span
        )
    return dim(value)
