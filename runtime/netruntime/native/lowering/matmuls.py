"""Products of two computed arrays, which are packed in each run; see linear.c, columns.c and pack.c."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netdsl.graph import Port
from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.linear.linear import MatMul
from netruntime.native.activations import function_of
from netruntime.native.builder import Builder
from netruntime.native.layouts import blocks_of
from netruntime.native.lowering.convolution.parts import group_of
from netruntime.native.lowering.packing import pack_matrix, pack_stack
from netruntime.native.lowering.products import CHUNK
from netruntime.native.lowering.registry import lowers
from netruntime.native.memory import Ref
from netruntime.native.steps import Step
from netruntime.native.views import AXES, View, contiguous

PANELS, PAIR = 4, 2
"""Blocks of rows and of columns of a task, as in columns.c."""


def _accepts_matmul(step: Step) -> bool:
    a, b = step.type_in(0), step.type_in(1)
    return step.has_elements and all(type_ and 2 <= len(type_.shape) <= AXES for type_ in (a, b))


@lowers(MatMul, accepts=_accepts_matmul)
def matmul(step: Step, build: Builder) -> None:
    """A stack of products, or one with a matrix that all rows share."""
    a, b, y = step.read(0), step.read(1), (step.node, 0)
    if len(build.types[b].shape) == 2:
        _rows_times_matrix(build, a, b, build.new_plain(y))
        return
    stack = step.type_out.shape[:-2]
    left, right = build.view(a), build.view(b)
    multiply_stacks(build, left, right, stack, build.new_plain(y))


def _rows_times_matrix(build: Builder, a: Port, b: Port, y: Ref) -> None:
    """All rows of `a` in one product, as in a dense layer."""
    left = build.view(a)
    if _are_columns(left):
        multiply_columns(build, left, build.view(b), (), y)
        return
    depth, count = build.types[b].shape
    rows, blocks = build.types[a].size // depth, blocks_of(count)
    x = build.plain(a)
    group = group_of(rows)
    numbers = [rows, depth, count, CHUNK, group, *function_of(None)]
    refs = [x, pack_matrix(build, b), None, None, y]
    build.emit("linear", -(-blocks // group) * -(-rows // CHUNK), refs, numbers)


def _are_columns(matrix: View) -> bool:
    """Whether the columns of a matrix lie contiguously, and its rows do not."""
    return matrix.strides[-2] == 1 and matrix.strides[-1] != 1 and 1 not in matrix.shape[-2:]


def multiply_columns(build: Builder, a: View, b: View, stack: Sequence[int], y: Ref) -> None:
    """`[..., M, K]` times `[..., K, N]` where the columns of the first lie contiguously; see columns.c."""
    rows, depth, count = *a.shape[-2:], b.shape[-1]
    packed = [pack_stack(build, matrix) for matrix in (a.must(lambda array: array.swapaxes(-1, -2)), b)]
    numbered = [
        View(at, one.shape[:-2], contiguous(one.shape[:-2]), 4).expanded(stack)
        for at, one in zip(packed, (a, b), strict=True)
    ]
    missing = AXES - len(stack)
    numbers = [rows, depth, count, *[1] * missing, *stack]
    for one in numbered:
        numbers += [*[0] * missing, *one.strides]
    tasks = prod(stack) * -(-blocks_of(rows) // PANELS) * -(-blocks_of(count) // PAIR)
    build.emit("matmul_columns", tasks, [*packed, y], numbers)


def multiply_stacks(build: Builder, a: View, b: View, stack: Sequence[int], y: Ref) -> None:
    """`[..., M, K]` times `[..., K, N]`, their first axes broadcast to `stack`."""
    if _are_columns(a):
        multiply_columns(build, a, b, stack, y)
        return
    if a.strides[-1] != 1 and a.shape[-1] != 1:
        a = build.gathered(a)
    rows, depth, count = *a.shape[-2:], b.shape[-1]
    packed, blocks, group = pack_stack(build, b), blocks_of(count), group_of(rows)
    a = a.expanded((*stack, rows, depth))
    numbered = View(packed, b.shape[:-2], contiguous(b.shape[:-2]), 4).expanded(stack)
    missing = AXES - len(stack)
    numbers = [rows, depth, count, CHUNK, group, a.strides[-2], *[1] * missing, *stack]
    numbers += [*[0] * missing, *a.strides[:-2], *[0] * missing, *numbered.strides]
    tasks = prod(stack) * -(-rows // CHUNK) * -(-blocks // group)
    build.emit("matmul", tasks, [a.at, packed, y], numbers)


# -- in Einstein notation ---------------------------------------------------------------------------


def _terms(op: Einsum) -> tuple[list[str], str]:
    left, _, result = op.equation.replace(" ", "").partition("->")
    return left.split(","), result


def _accepts_einsum(step: Step) -> bool:
    """Two inputs without diagonals and with no letter that only one of them has and the result lacks."""
    assert isinstance(step.op, Einsum)
    terms, result = _terms(step.op)
    if len(terms) != 2 or not step.has_elements or any(len(term) > AXES for term in (*terms, result)):
        return False
    a, b = (set(term) for term in terms)
    distinct = [len(a), len(b)] == [len(term) for term in terms]
    return distinct and bool((a & b) - set(result)) and (a ^ b) <= set(result)


def _merged(build: Builder, view: View, shape: Sequence[int]) -> View:
    """A view with another shape, copied if it has to be."""
    shaped = view.mapped(lambda array: array.reshape(shape))
    return shaped or build.gathered(view).must(lambda array: array.reshape(shape))


@lowers(Einsum, accepts=_accepts_einsum)
def einsum(step: Step, build: Builder) -> None:
    """A stack of products over the letters that both inputs and the result have."""
    assert isinstance(step.op, Einsum)
    (first, second), result = _terms(step.op)
    views = [build.view(step.read(slot)) for slot in (0, 1)]
    sizes = dict(zip(first + second, views[0].shape + views[1].shape, strict=True))
    stack = [letter for letter in first if letter in second and letter in result]
    summed = [letter for letter in first if letter in second and letter not in result]
    rows, columns = ([letter for letter in term if letter not in other] for term, other in
                     ((first, second), (second, first)))  # fmt: skip

    def matrices(view: View, letters: str, *groups: list[str]) -> View:
        order = [letters.index(letter) for group in (stack, *groups) for letter in group]
        shape = [sizes[c] for c in stack] + [prod(sizes[c] for c in group) for group in groups]
        return _merged(build, view.must(lambda array: array.transpose(order)), shape)

    a, b = matrices(views[0], first, rows, summed), matrices(views[1], second, summed, columns)
    order = [result.index(letter) for letter in (*stack, *rows, *columns)]
    y = build.new_ordered((step.node, 0), order)
    multiply_stacks(build, a, b, [sizes[letter] for letter in stack], y)
