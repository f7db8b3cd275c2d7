"""What becomes of each operator in a program."""

from netruntime.native.lowering import (
    attention,
    batch_norms,
    conv_gradients,
    elements,
    gathers,
    image_elements,
    matmuls,
    norms,
    pool_gradients,
    pools,
    products,
    recurrent,
    reductions,
    shapes,
)
from netruntime.native.lowering.registry import LOWERINGS, Lowering

__all__ = [
    "LOWERINGS",
    "Lowering",
    "attention",
    "batch_norms",
    "conv_gradients",
    "elements",
    "gathers",
    "image_elements",
    "matmuls",
    "norms",
    "pool_gradients",
    "pools",
    "products",
    "recurrent",
    "reductions",
    "shapes",
]
