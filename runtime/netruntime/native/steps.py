"""A step of a plan as the native engine sees it: a bound operator, the values it reads, and their types."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.graph import Port
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Op
from netdsl.types import DType


@immutable
class ArrayType:
    """The element type and the shape of an array."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return DType(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def numpy_name(self) -> str:
        """The name of the element type in NumPy."""
        return DType(self.dtype).numpy_name


@immutable
class Step:
    """An operator without free sizes.

    Args:
        node: Its number in the graph.
        inputs: The values it reads, None where one is left out.
        types: The types of all values of the plan.
        constants: The values that depend on weights alone.
    """

    node: int
    op: Op
    inputs: tuple[Port | None, ...]
    outputs: int
    types: Mapping[Port, ArrayType]
    constants: frozenset[Port]

    def type_in(self, slot: int) -> ArrayType | None:
        """The type of an input; None where it is left out."""
        port = self.inputs[slot] if slot < len(self.inputs) else None
        return None if port is None else self.types[port]

    @property
    def type_out(self) -> ArrayType:
        """The type of the first output."""
        return self.types[self.node, 0]

    @property
    def dtypes(self) -> set[str]:
        """The element types of all inputs and outputs."""
        ports = [port for port in self.inputs if port is not None]
        ports += [(self.node, n) for n in range(self.outputs)]
        return {self.types[port].dtype for port in ports}

    @property
    def has_elements(self) -> bool:
        """Whether no input and no output has a size of 0."""
        ports = [port for port in self.inputs if port is not None]
        ports += [(self.node, n) for n in range(self.outputs)]
        return all(self.types[port].size > 0 for port in ports)

    def read(self, slot: int) -> Port:
        """The value at a slot that is not left out."""
        port = self.inputs[slot]
        assert port is not None
        return port

    def optional(self, slot: int) -> Port | None:
        """The value at a slot; None where it is left out."""
        return self.inputs[slot] if slot < len(self.inputs) else None

    def is_constant(self, slot: int) -> bool:
        """Whether an input depends on weights alone, or is left out."""
        port = self.inputs[slot] if slot < len(self.inputs) else None
        return port is None or port in self.constants
