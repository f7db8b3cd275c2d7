"""What becomes of each operator in a program."""

from netruntime.native.lowering import (
    attention,
    elements,
    gathers,
    gradients,
    image_elements,
    images,
    matmuls,
    norms,
    pools,
    products,
    reductions,
    selection,
    sequences,
    shapes,
)
from netruntime.native.lowering.registry import LOWERINGS, Lowering

__all__ = [
    "LOWERINGS",
    "Lowering",
    "attention",
    "elements",
    "gathers",
    "gradients",
    "image_elements",
    "images",
    "matmuls",
    "norms",
    "pools",
    "products",
    "reductions",
    "selection",
    "sequences",
    "shapes",
]
