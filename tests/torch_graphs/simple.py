"""Operators that are one call of PyTorch: arithmetic, functions of each element, sums, and shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from netdsl.ops.contract.base import Op
from netdsl.types import DType

DTYPES = {
    DType.F16: torch.float16,
    DType.BF16: torch.bfloat16,
    DType.F32: torch.float32,
    DType.F64: torch.float64,
    DType.I8: torch.int8,
    DType.I32: torch.int32,
    DType.I64: torch.int64,
    DType.U8: torch.uint8,
    DType.BOOL: torch.bool,
}


def axes(over: Sequence[int], rank: int) -> tuple[int, ...]:
    """The axes of a reduction; an empty list means all."""
    return tuple(axis % rank for axis in over) if over else tuple(range(rank))


def ints(sizes: Sequence[Any]) -> list[int]:
    return [int(size) for size in sizes]


# -- sums ----------------------------------------------------------------------------------------


def sum_(op: Any, x: Tensor, where: Tensor | None = None) -> Tensor:
    kept = x if where is None else torch.where(where, x, 0)
    return kept.sum(axes(op.over, x.ndim), keepdim=op.keepdims, dtype=x.dtype) if x.ndim else kept


def mean(op: Any, x: Tensor, where: Tensor | None = None) -> Tensor:
    over = axes(op.over, x.ndim)
    if where is None:
        return x.mean(over, keepdim=op.keepdims)
    kept = where.expand(x.shape)
    total = torch.where(kept, x, 0).sum(over, keepdim=op.keepdims)
    return total / kept.sum(over, keepdim=op.keepdims).clamp_min(1)


def variance(op: Any, x: Tensor) -> Tensor:
    return x.var(axes(op.over, x.ndim), correction=op.correction, keepdim=op.keepdims)


# -- looking up ----------------------------------------------------------------------------------


def gather(op: Any, x: Tensor, indices: Tensor) -> Tensor:
    """The slices of `x` at the indices; a table of embeddings takes the way PyTorch has for it."""
    axis = op.axis % x.ndim
    places = indices.long() % x.shape[axis]
    if axis == 0 and x.ndim == 2:
        return torch.nn.functional.embedding(places, x)
    found = x.index_select(axis, places.reshape(-1))
    return found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def gather_elements(op: Any, x: Tensor, indices: Tensor) -> Tensor:
    return x.gather(op.axis, indices.long() % x.shape[op.axis])


def one_hot(op: Any, indices: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(indices.long() % op.depth, op.depth).to(DTYPES[op.dtype])


# -- shapes --------------------------------------------------------------------------------------


def split(op: Any, x: Tensor) -> tuple[Tensor, ...]:
    sizes = x.shape[op.axis] // (op.parts or 1) if op.sizes is None else ints(op.sizes)
    return tuple(x.split(sizes, dim=op.axis))


def slice_(op: Any, x: Tensor) -> Tensor:
    if op.step < 0:
        raise NotImplementedError("PyTorch has no slices of a negative step")
    bounds = [None if bound is None else int(bound) for bound in (op.start, op.stop)]
    cut = [slice(None)] * x.ndim
    cut[op.axis] = slice(*bounds, op.step)
    return x[tuple(cut)]


def squeeze(op: Any, x: Tensor) -> Tensor:
    return x.squeeze(axes(op.over, x.ndim))


def rearrange(op: Any, x: Tensor) -> Tensor:
    ordered = x.reshape(ints(op.split)).permute(op.order)
    sizes, merged = list(ordered.shape), []
    for count in op.merge or [1] * len(sizes):
        run, sizes = sizes[:count], sizes[count:]
        merged.append(prod(run))
    return ordered.reshape(merged)


# -- made from nothing ---------------------------------------------------------------------------


def constant(op: Any) -> Tensor:
    value = op.value if isinstance(op.value, (bool, float)) else int(op.value)
    return torch.full(ints(op.sizes), value, dtype=DTYPES[op.dtype])


def range_(op: Any) -> Tensor:
    return torch.arange(int(op.start), int(op.stop), op.step, dtype=DTYPES[op.dtype])


def causal_mask(op: Any) -> Tensor:
    rows, columns = int(op.rows), int(op.columns)
    return torch.ones(rows, columns, dtype=torch.bool).tril(columns - rows)


SIMPLE: dict[str, Callable[..., Any]] = {
    "output": lambda op, x: x,
    "add": lambda op, a, b: a + b,
    "subtract": lambda op, a, b: a - b,
    "multiply": lambda op, a, b: a * b,
    "divide": lambda op, a, b: a / b,
    "negate": lambda op, x: -x,
    "power": lambda op, a, b: a**b,
    "exp": lambda op, x: x.exp(),
    "log": lambda op, x: x.log(),
    "sqrt": lambda op, x: x.sqrt(),
    "square": lambda op, x: x.square(),
    "abs": lambda op, x: x.abs(),
    "round": lambda op, x: x.round(),
    "sin": lambda op, x: x.sin(),
    "cos": lambda op, x: x.cos(),
    "equal": lambda op, a, b: a == b,
    "not_equal": lambda op, a, b: a != b,
    "greater": lambda op, a, b: a > b,
    "greater_equal": lambda op, a, b: a >= b,
    "less": lambda op, a, b: a < b,
    "less_equal": lambda op, a, b: a <= b,
    "logical_and": lambda op, a, b: a & b,
    "logical_not": lambda op, x: ~x,
    "where": lambda op, condition, a, b: torch.where(condition, a, b),
    "cast": lambda op, x: x.to(DTYPES[op.dtype]),
    "sum": sum_,
    "mean": mean,
    "variance": variance,
    "gather": gather,
    "gather_elements": gather_elements,
    "one_hot": one_hot,
    "matmul": lambda op, a, b: a @ b,
    "linear": lambda op, x, weight, bias=None: torch.nn.functional.linear(x, weight.T, bias),
    "einsum": lambda op, *xs: torch.einsum(op.equation, *xs),
    "split": split,
    "slice": slice_,
    "squeeze": squeeze,
    "unsqueeze": lambda op, x: x.unsqueeze(op.axis),
    "rearrange": rearrange,
    "transpose": lambda op, x: x.permute(op.order),
    "reshape": lambda op, x: x.reshape(ints(op.sizes)),
    "flatten": lambda op, x: x.flatten(op.start),
    "expand": lambda op, x: x.expand(ints(op.sizes)),
    "concat": lambda op, *xs: torch.cat(xs, dim=op.axis),
    "stack": lambda op, *xs: torch.stack(xs, dim=op.axis),
    "constant": constant,
    "zeros": lambda op: torch.zeros(ints(op.sizes), dtype=DTYPES[op.dtype]),
    "ones": lambda op: torch.ones(ints(op.sizes), dtype=DTYPES[op.dtype]),
    "range": range_,
    "causal_mask": causal_mask,
    "vector": lambda op: torch.tensor(op.values, dtype=DTYPES[op.dtype]),
}


def unknown(op: Op, *inputs: Any) -> Any:
    help = "add it to a table in tests/torch_graphs"
    raise NotImplementedError(f"the graph of PyTorch does not know the operator `{op.name}`: {help}")
