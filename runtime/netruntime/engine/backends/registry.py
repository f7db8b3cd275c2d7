"""Kernels by operator class, backend by backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from netdsl.ops.contract.base import Op
from netdsl.types import DType

Kernel = Callable[..., Any]
"""`kernel(xp, op, *arrays)`, with the results of `op.forward(xp, *arrays)`."""


@dataclass(eq=False)
class Backend:
    """Faster kernels for some operators; the others come from its parent or are the operators' `forward`."""

    name: str
    parent: Backend | None = None
    kernels: dict[type[Op], tuple[frozenset[DType], Kernel]] = field(default_factory=dict)

    def kernel(self, op: type[Op], dtypes: Iterable[DType] = tuple(DType)) -> Callable[[Kernel], Kernel]:
        """Register a kernel for an operator, for calls whose inputs all have one of `dtypes`."""

        def register(function: Kernel) -> Kernel:
            self.kernels[op] = (frozenset(dtypes), function)
            return function

        return register

    def resolve(self, op: type[Op], dtypes: Sequence[DType]) -> Kernel:
        """The kernel for an operator on inputs of these element types."""
        if op in self.kernels:
            limits, function = self.kernels[op]
            if limits.issuperset(dtypes):
                return function
        return self.parent.resolve(op, dtypes) if self.parent else reference


def reference(xp: Any, op: Op, *arrays: Any, **extra: Any) -> Any:
    """The operator's `forward`, as a kernel."""
    return op.forward(xp, *arrays, **extra)


CPU = Backend("cpu")
CUDA = Backend("cuda")
