"""How the values of a program lie in memory: as NumPy's arrays, or as images in blocks of 16 channels."""

from __future__ import annotations

from netdsl.immutable import immutable
from netruntime.native.memory import Ref

LANES = 16
"""Channels of a block, on every instruction set."""


def blocks_of(channels: int) -> int:
    return -(-channels // LANES)


@immutable
class Image:
    """`[B][C/16][H + 2 border][W + 2 border][16]`, with zeros in the border.

    The lanes beyond the channels are finite and mean nothing.
    """

    at: Ref
    batch: int
    channels: int
    height: int
    width: int
    border: tuple[int, int] = (0, 0)

    @property
    def blocks(self) -> int:
        return blocks_of(self.channels)

    @property
    def row(self) -> int:
        """Floats from one row to the next."""
        return (self.width + 2 * self.border[1]) * LANES

    @property
    def block(self) -> int:
        """Floats from one block of channels to the next."""
        return (self.height + 2 * self.border[0]) * self.row

    @property
    def image(self) -> int:
        """Floats from one image to the next."""
        return self.blocks * self.block

    @property
    def size(self) -> int:
        return self.batch * self.image

    @property
    def first(self) -> int:
        """Floats before the first pixel."""
        return self.border[0] * self.row + self.border[1] * LANES

    @property
    def strides(self) -> list[int]:
        """Floats from one image, block and row to the next, and before the first pixel, for kernels."""
        return [self.image, self.block, self.row, self.first]

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The numbers of the kernels in layout.c."""
        return (self.batch, self.channels, self.height, self.width, *self.border)
