"""What becomes of each operator in a program."""

from netruntime.native.lowering import conv_gradients, elements, pools, products
from netruntime.native.lowering.registry import LOWERINGS, Lowering

__all__ = ["LOWERINGS", "Lowering", "conv_gradients", "elements", "pools", "products"]
