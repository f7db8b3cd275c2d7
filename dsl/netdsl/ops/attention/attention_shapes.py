"""The shape rule of attention, shared with its gradient."""

from __future__ import annotations

from netdsl.ops.attention.positions import need_four_axes
from netdsl.ops.contract.base import OpError
from netdsl.ops.contract.rules import broadcast, need_bool, need_float, same_dtype
from netdsl.types import TensorType


def attention_shape(
    q: TensorType,
    k: TensorType,
    v: TensorType,
    keep: TensorType | None = None,
    bias: TensorType | None = None,
) -> TensorType:
    """The type of the result `[B, heads, T, E]`; see `Attention` for the layouts. Raises `OpError`."""
    need_float(q, "q")
    for x, name, layout in (
        (q, "q", "queries [B, heads, T, D]"),
        (k, "k", "keys [B, kv_heads, S, D]"),
        (v, "v", "values [B, kv_heads, S, E]"),
    ):
        same_dtype(q, x, ("q", name))
        need_four_axes(x, name, layout)
    _same_size(q, k, ("q", "k"), 0, "batch size")
    _same_size(q, k, ("q", "k"), 3, "size of queries and keys")
    _same_size(k, v, ("k", "v"), 0, "batch size")
    _same_size(k, v, ("k", "v"), 1, "number of key and value heads")
    _same_size(k, v, ("k", "v"), 2, "number of keys and values")
    _check_groups(q, k)
    scores = q.with_shape((*q.shape[:3], k.shape[2]))
    if keep is not None:
        need_bool(keep, "keep")
        _check_spread(keep, "keep", scores)
    if bias is not None:
        same_dtype(q, bias, ("q", "bias"))
        _check_spread(bias, "bias", scores)
    return q.with_shape((*q.shape[:3], v.shape[3]))


def _same_size(left: TensorType, right: TensorType, names: tuple[str, str], axis: int, what: str) -> None:
    if left.shape[axis] != right.shape[axis]:
        raise OpError(
            f"needs one {what}, but got {left.shape[axis]} in `{names[0]}`, which is {left}, "
            f"and {right.shape[axis]} in `{names[1]}`, which is {right}",
            at=[(names[0], axis), (names[1], axis)],
        )


def _check_groups(q: TensorType, k: TensorType) -> None:
    if k.shape[1] == 0 or q.shape[1].exact_divide(k.shape[1]) is None:
        raise OpError(
            f"cannot divide {q.shape[1]} query heads evenly among {k.shape[1]} key heads",
            at=[("q", 1), ("k", 1)],
            help="the number of query heads must be a multiple of the number of key heads",
        )


def _check_spread(x: TensorType, name: str, scores: TensorType) -> None:
    try:
        spread, clash = x.rank <= 4 and broadcast(x, scores) == scores.shape, ""
    except OpError as wrong:
        spread, clash = False, ": " + wrong.message.rpartition(": ")[2]
    if not spread:
        layout = f"the scores [B, heads, T, S], which are {scores}"
        raise OpError(
            f"needs `{name}` to broadcast to {layout}, but `{name}` is {x}{clash}",
            at=[name],
            help=f"each axis of `{name}` must have size 1 or the size of that axis of the scores",
        )
