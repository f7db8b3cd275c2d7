"""Checks of values: at once in CPU memory; on a GPU counted there, and read together at the end of a run.

Reading one value of a GPU waits for everything launched before it. So an operator states with `require`
what must not occur, and continues with values that cannot do harm; its caller reads all counts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from netdsl.ops.contract.base import Array, DataError, Module
from netdsl.ops.numerics.blocking import on_cpu

_BLOCK = 64
"""Counts per array, which the device clears at once."""

Blame = Callable[[str], Exception]
"""Makes the exception for a message, with the place that it concerns."""


class DeferredChecks:
    """The checks of one run on a GPU, and what the host knows of its arrays.

    Attributes:
        blame: Makes the exception of the checks added from now on.
    """

    def __init__(self, xp: Module) -> None:
        self.blame: Blame = DataError
        self._xp = xp
        self._expected: list[tuple[int, Callable[[int], Exception]]] = []
        self._blocks: list[Array] = []
        self._hosts: dict[int, tuple[Array, Array]] = {}

    def add(self, counted: Array, describe: Callable[[int], str], expected: int = 0) -> None:
        """Fail with `describe(n)` if n elements of a boolean array are true, and not `expected`."""
        blame, place = self.blame, len(self._expected)
        if place % _BLOCK == 0:
            self._blocks.append(self._xp.zeros(_BLOCK, dtype=self._xp.int64))
        counted.sum(dtype=self._xp.int64, out=self._blocks[-1][place % _BLOCK])
        self._expected.append((expected, lambda count: blame(describe(count))))

    def counts(self) -> list[Array]:
        """The counts so far, on the device."""
        return self._blocks

    def raise_first(self, counts: Sequence[Array]) -> None:
        """Raise the exception of the first check that fails, given the values of `counts()` on the host."""
        for place, (expected, failure) in enumerate(self._expected):
            count = int(counts[place // _BLOCK][place % _BLOCK])
            if count != expected:
                raise failure(count)

    def remember(self, array: Array, host: Array) -> None:
        """Keep the values of an array of the device that came from the host."""
        self._hosts[id(array)] = (array, host)

    def host_values(self, array: Array) -> Array | None:
        """The values on the host of an array of the device, if they are known."""
        known = self._hosts.get(id(array))
        return None if known is None else known[1]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let `require` defer to these checks in the calling thread."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)


_CURRENT: ContextVar[DeferredChecks | None] = ContextVar("current checks", default=None)


def require(xp: Module, wrong: Array, describe: Callable[[], str]) -> None:
    """Raise `DataError(describe())` if an element of `wrong` is true: on a GPU at the end of the run."""
    checks = None if on_cpu(xp) else _CURRENT.get()
    if checks is not None:
        if wrong.size:
            checks.add(wrong, lambda count: describe())
    elif bool(wrong.any()):
        raise DataError(describe())


def host_values(xp: Module, array: Array) -> Array | None:
    """The values on the host of an array of a GPU, if they are known without waiting."""
    checks = None if on_cpu(xp) else _CURRENT.get()
    return None if checks is None else checks.host_values(array)
