"""Updates of weights by the native engine: one call for all of them, with the same bits as by NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from netdsl.ops.contract.base import Array
from netruntime.native.activations import bits_of
from netruntime.native.builder import Record
from netruntime.native.library import Library
from netruntime.native.memory import OUTER, Buffer, Ref
from netruntime.native.program import address_of, run_once
from netruntime.train.update.optimizers import SGD, Adam, AdamW
from netruntime.train.update.optimizers.base import Optimizer

CHUNK = 16384
"""Elements of a task."""
NO_DECAY, OF_GRADIENT, OF_WEIGHT = 0, 1, 2
"""As in update.c."""


@dataclass
class NativeUpdates:
    """Collects the updates of weights, then runs all of them.

    Args:
        threads: How many threads may be used.
    """

    library: Library
    threads: Callable[[], int]
    records: list[Record] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)

    def add(
        self,
        optimizer: Optimizer,
        weight: Array,
        grad: Array,
        slots: Sequence[Array],
        *,
        step: int,
        lr: float,
        decay: float,
    ) -> bool:
        """Take an update; False if there is no kernel for the optimizer or for the arrays."""
        arrays = [weight, grad, *slots]
        if type(optimizer) not in (SGD, Adam, AdamW) or not all(map(_is_plain, arrays)) or not weight.size:
            return False
        kind = NO_DECAY if not decay else OF_WEIGHT if optimizer.decoupled else OF_GRADIENT
        factor = 1 - lr * decay if kind == OF_WEIGHT else decay
        kernel, rate, others = _numbers(optimizer, step, lr)
        numbers = [weight.size, CHUNK, kind, bits_of(factor) if kind else 0, rate, *others]
        first = OUTER + len(self.arrays)
        refs = tuple(Ref(Buffer(array.nbytes, first + n)) for n, array in enumerate(arrays))
        self.records.append(Record(kernel, -(-weight.size // CHUNK), refs, tuple(numbers)))
        self.arrays += arrays
        return True

    def run(self) -> None:
        """Make the updates."""
        if not self.records:
            return
        addresses = [None] * OUTER + [address_of(array) for array in self.arrays]
        run_once(self.library, self.records, addresses, self.threads())


def _is_plain(array: Array) -> bool:
    return bool(array.dtype == np.float32 and array.flags.c_contiguous)


@lru_cache(maxsize=8)
def _numbers(optimizer: Optimizer, step: int, lr: float) -> tuple[str, int, Sequence[int]]:
    """The kernel of an optimizer, the bits of its rate, and its own numbers: the same for most weights."""
    if isinstance(optimizer, SGD):
        return "update_sgd", bits_of(lr), (bits_of(optimizer.momentum), int(optimizer.nesterov))
    assert isinstance(optimizer, Adam)
    one, two = optimizer.beta1, optimizer.beta2
    root = 1 / math.sqrt(1 - two**step)
    factors = (one, two, 1 - one, 1 - two, root, optimizer.eps)
    return "update_adam", bits_of(lr / (1 - one**step)), tuple(bits_of(factor) for factor in factors)
