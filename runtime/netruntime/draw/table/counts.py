"""The counts of operators, and the rows of a table that hold them."""

from __future__ import annotations

from dataclasses import field

from netdsl.dims import Dim, dim
from netdsl.immutable import immutable


@immutable
class Counts:
    """What is summed over operators. Sizes stay expressions while a symbol in them is free."""

    parameters: Dim = field(default_factory=lambda: dim(0))
    """Numbers in trained parameters."""
    parameter_bytes: Dim = field(default_factory=lambda: dim(0))
    buffers: Dim = field(default_factory=lambda: dim(0))
    """Numbers in buffers, which are kept but not trained."""
    buffer_bytes: Dim = field(default_factory=lambda: dim(0))
    multiply_adds: Dim = field(default_factory=lambda: dim(0))
    activation_bytes: Dim = field(default_factory=lambda: dim(0))
    """Bytes of every operator's outputs, all alive at once, as when training."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.parameters + other.parameters,
            self.parameter_bytes + other.parameter_bytes,
            self.buffers + other.buffers,
            self.buffer_bytes + other.buffer_bytes,
            self.multiply_adds + other.multiply_adds,
            self.activation_bytes + other.activation_bytes,
        )

    def as_dict(self) -> dict[str, int | str]:
        """Each count as an integer, or as the text of an expression."""
        return {name: _plain(value) for name, value in vars(self).items()}


@immutable
class Row:
    """One label path.

    Args:
        path: The label path; `@2` at its end marks a second use of a shared layer.
        kind: The block or the operator.
        type: The output types as text, separated by commas.
        level: How many groups it lies in.
        shared: Whether it uses weights that another row counts.
        copies: How many equal layers in a row it represents; the counts are those of all of them.
        each: The counts of one of them, if all are alike.
        label: The path below that of the group around it.
    """

    path: str
    kind: str
    type: str
    level: int
    counts: Counts
    shared: bool = False
    copies: int = 1
    each: Counts | None = None
    label: str = ""


def _plain(value: Dim) -> int | str:
    return value.value if value.is_fixed else str(value)
