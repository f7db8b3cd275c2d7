"""How much of an array a kernel processes at a time, and on which kind of device it runs.

A chain of NumPy calls reads and writes memory once per call; in blocks that stay in a CPU's cache it is
several times faster. A GPU processes complete arrays, and its blocks only bound temporary memory. Only this
module distinguishes the two.
"""

from __future__ import annotations

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Module

_ALL = 2**62


@immutable
class BlockSizes:
    """The sizes of blocks on one kind of device.

    `elements` of an elementwise pass; `row_bytes` of complete rows that are reduced; `scores` of attention;
    `column_bytes` of copied windows, or `columns` of them if that is more; `weights` of an optimizer's pass.
    """

    elements: int = 16384
    row_bytes: int = 2**19
    scores: int = 2**17
    column_bytes: int = 2**20
    columns: int = 1024
    weights: int = 32768


CPU_BLOCKS = BlockSizes()
GPU_BLOCKS = BlockSizes(_ALL, _ALL, 2**28, _ALL, 1, 1 << 22)


def on_cpu(xp: Module) -> bool:
    """Whether arrays of this module are in CPU memory."""
    return bool(xp.__name__ == "numpy")


def block_sizes(xp: Module) -> BlockSizes:
    """The sizes of blocks for arrays of this module."""
    return CPU_BLOCKS if on_cpu(xp) else GPU_BLOCKS
