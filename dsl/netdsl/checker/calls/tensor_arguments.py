"""Which tensors go into which inputs of a block that is applied."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.checker.calls.operators import count
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, PoisonedError, Tensor, describe, is_bundle, is_number
from netdsl.checker.evaluate.statements import input_names, is_function
from netdsl.diagnostics import suggest
from netdsl.modules import std_block
from netdsl.ops.contract.base import REGISTRY
from netdsl.source import Span


def bind_tensors(
    scope: Scope, block: s.Block, piped: list[Tensor], arguments: Sequence[s.Argument], span: Span
) -> list[Tensor | None]:
    """The tensor inputs of a block in order: named ones first, then the piped, then the positional."""
    names = input_names(block)
    found: dict[str, Tensor | None] = {}
    queue: list[tuple[Tensor | None, Span]] = [(tensor, span) for tensor in piped]
    failed = False
    for argument in arguments:
        with scope.recover() as attempt:
            value = scope.evaluate(argument.value)
            if argument.name is not None:
                _named_tensor(scope, block, found, argument, value)
            elif is_bundle(value):
                queue += [(tensor, argument.span) for tensor in value]
            else:
                queue.append((_tensor_or_none(scope, block, value, argument), argument.span))
        failed |= attempt.failed
    if failed or (not names and any(isinstance(statement, s.Broken) for statement in block.body)):
        raise PoisonedError  # where a body cannot be read, its block may have been meant without inputs
    free = [name for name in names if name not in found]
    if len(queue) > len(free):
        help = "a piped tensor goes to the first input that is not given by name"
        if len(piped) > 1:
            help = "join them first: `-> concat(axis=1)`, `-> add`"
        message = f"`{block.name}` takes {count(len(names), 'tensor')}, but got {len(queue) + len(found)}"
        at, cause = queue[len(free)][1], None
        if not names and not scope.module.is_std:
            head, edit = _declared(scope, block, len(queue))
            help = f"declare what it takes: write `{head}` on line {block.span.line}"
            cause = Edited([(help, [edit])])
        scope.fail("E0411", message, at, help=help, cause=cause)
    found.update({name: tensor for name, (tensor, _) in zip(free, queue, strict=False)})
    return [found.get(name) for name in names]


def _declared(scope: Scope, block: s.Block, count: int) -> tuple[str, tuple[Span, str]]:
    """The header of a block without inputs, with inputs for the unknown names of its body, and the edit."""
    known = {param.name.text for param in block.statics} | set(scope.module.blocks) | set(REGISTRY)
    known |= {name.text for statement in block.body for name in s.bound_names(statement)}
    words = dict.fromkeys(name.text for name in s.names_in(block.body) if name.text not in known)
    inputs = [word for word in words if word[0].islower() and std_block(word) is None][:count] or ["x"]
    text, end = block.span.source.text, block.name.span.end
    if block.statics:
        end = text.index(")", block.statics[-1].span.end) + 1
    listed = f"({', '.join(inputs)})"
    head = f"{text[block.span.start : end]}{listed}"
    return head, (block.span.source.span(end, end), listed)


def _named_tensor(
    scope: Scope,
    block: s.Block,
    found: dict[str, Tensor | None],
    argument: s.Argument,
    value: Evaluated,
) -> None:
    assert argument.name is not None
    word = argument.name.text
    check_input_name(scope, block, argument.name, argument)
    if word in found:
        scope.fail("E0412", f"`{word}` of `{block.name}` is given twice", argument.span)
    found[word] = _tensor_or_none(scope, block, value, argument)


def check_input_name(scope: Scope, block: s.Block, name: s.Ident, argument: s.Argument) -> None:
    """Raise E0406 if a block has no tensor input of the name of an argument."""
    names, word = input_names(block), name.text
    if word not in names:
        known = [p.name.text for p in block.statics]
        help: str | None = (
            suggest(word, names + known) or f"its inputs are {', '.join(f'`{n}`' for n in names)}"
        )
        if word in known:
            help = f"`{word}` is static, and goes in the first parentheses"
        masks: list[tuple[str, list[tuple[Span, str]]]] = []
        if word in MASKS and "keep" in names:
            help, masks = _keep_mask(argument)
        message = f"`{block.name}` has no tensor input `{word}`"
        scope.fail("E0406", message, name.span, help=help, cause=Edited(masks) if masks else None)


def _keep_mask(argument: s.Argument) -> tuple[str, list[tuple[str, list[tuple[Span, str]]]]]:
    """The mask of another framework as `keep`: negated where true means ignored, as in PyTorch."""
    text = argument.value.span.text
    shown = text if isinstance(argument.value, s.Name) else f"({text})"
    help = (
        f"`keep` is true where a key counts: write `keep=not {shown}` for a mask as in PyTorch, true where"
        f" a key is ignored, and `keep={text}` for one as in Keras, true where it counts"
    )
    broadcast = f"keep=not ({text} -> [B, T] => [B, 1, 1, T])"
    with_axes = f"`keep` is true where a key counts, and has 4 axes: write `{broadcast}`"
    return help, [(help, [(argument.span, f"keep=not {shown}")]), (with_axes, [(argument.span, broadcast)])]


MASKS = frozenset(
    "mask attn_mask key_padding_mask src_mask tgt_mask src_key_padding_mask attention_mask pad_mask".split()
)
"""Names of masks in other frameworks."""


def _as_tensors(expr: s.Expr) -> list[str]:
    """`[[1, 2], [3, 4]]` as a tensor of floats, and as one of integers; empty for other values."""
    sizes, rows = list[int](), [expr]
    while rows and all(isinstance(row, s.ListExpr) for row in rows):
        lists = [row for row in rows if isinstance(row, s.ListExpr)]
        if len({len(row.elements) for row in lists}) != 1:
            return []
        sizes.append(len(lists[0].elements))
        rows = [element for row in lists for element in row.elements]
    if not sizes or not rows or not all(isinstance(row, s.Number) for row in rows):
        return []
    written = [row.span.text for row in rows]
    floats = [text if "." in text or "e" in text else f"{text}.0" for text in written]
    vectors = (f"vector([{', '.join(numbers)}])" for numbers in (floats, written))
    one, two = vectors if len(sizes) == 1 else (f"reshape({vector}, {sizes})" for vector in vectors)
    return [one, f"cast({two}, i32)"]


def _tensor_or_none(scope: Scope, block: s.Block, value: Evaluated, argument: s.Argument) -> Tensor | None:
    if value is None or isinstance(value, Tensor):
        return value
    help: str | None = f"`{block.name}` has its static arguments already; this would be a second set"
    if is_function(block):
        help = (
            f"turn it into a tensor: `constant({argument.value.span.text}, [..])`"
            if is_number(value)
            else None
        )
    texts = _as_tensors(argument.value)
    changes = [(f"write `{text}`", [(argument.span, text)]) for text in texts]
    help = changes[0][0] if changes else help
    message = f"`{block.name}` takes tensors, but got {describe(value)}"
    scope.fail("E0403", message, argument.span, help=help, cause=Edited(changes) if changes else None)
