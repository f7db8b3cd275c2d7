"""Matrices in the order in which products read them; see pack.c."""

from __future__ import annotations

from math import prod

from netdsl.graph import Port
from netruntime.native.builder import Builder
from netruntime.native.layouts import LANES, blocks_of
from netruntime.native.memory import Ref
from netruntime.native.views import View

MATRIX, BIAS = "packed matrix", "packed bias"
"""Names of what a loop packs before it begins, in `Builder.known`."""


def packed_size(matrices: View) -> int:
    """The floats of matrices `[..., K, N]` when packed."""
    *stack, depth, count = matrices.shape
    return prod(stack) * blocks_of(count) * LANES * depth


def pack_stack(build: Builder, matrices: View, at: Ref | None = None) -> Ref:
    """Matrices `[..., K, N]` of any strides, packed one after the other, at a place or in new memory."""
    *stack, depth, count = matrices.shape
    *steps, step_k, step_n = matrices.strides
    missing = [1] * (6 - len(stack)), [0] * (6 - len(stack))
    at = build.temporary(packed_size(matrices)) if at is None else at
    numbers = [depth, count, step_k, step_n, *missing[0], *stack, *missing[1], *steps]
    build.emit("pack_stack", prod(stack) * blocks_of(count), [matrices.at, at], numbers)
    return at


def pack_matrix(build: Builder, port: Port) -> Ref:
    """A matrix `[K, N]` packed: once if it is a constant, else in each run, from memory as it lies there."""
    if (MATRIX, port) in build.known:
        return build.known[MATRIX, port]
    if port not in build.constants:
        return pack_stack(build, build.view(port))
    depth, count = build.types[port].shape
    blocks = blocks_of(count)
    return build.packed(blocks * depth * LANES, port, "pack", blocks, [depth, count, count, 1])


def pack_bias(build: Builder, port: Port) -> Ref:
    """A bias `[N]` in blocks: a matrix of one row."""
    if (BIAS, port) in build.known:
        return build.known[BIAS, port]
    (count,) = build.types[port].shape
    blocks = blocks_of(count)
    return build.packed(blocks * LANES, port, "pack", blocks, [1, count, 0, 1])
