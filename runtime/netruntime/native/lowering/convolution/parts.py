"""What the lowerings of products share."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.immutable import immutable
from netruntime.native.layouts import Image
from netruntime.native.memory import Ref


def group_of(rows: int) -> int:
    """The blocks of 16 outputs of a task: more for few rows, which need many sums at a time."""
    return 8 if rows == 1 else 4 if rows < 4 else 2


@immutable
class ConvParts:
    """What the kernels of convolutions share; see conv.c.

    Args:
        at: What is read: blocks, or planes of few channels.
        run: Values that lie together; an output sums the products of `len(offsets)` runs.
        strides: Floats of what is read between images, output rows and output pixels, and before the first
            window.
        padding: Above and to the left.
        activation: Its numbers.
    """

    at: Ref
    run: int
    offsets: Sequence[int]
    strides: Sequence[int]
    padding: tuple[int, int]
    weight: Ref
    bias: Ref | None
    residual: Image | None
    y: Image
    activation: Sequence[int]

    @property
    def residual_at(self) -> Ref | None:
        return None if self.residual is None else self.residual.at

    @property
    def residual_strides(self) -> list[int]:
        return [0] * 4 if self.residual is None else self.residual.strides
