"""What training needs besides the forward pass: gradients, batch norms, and sums for biases."""

from netruntime.native.lowering.gradients import (
    attention_gradients,
    batch_norms,
    conv_gradients,
    norm_gradients,
    pool_gradients,
    slice_gradients,
)

__all__ = [
    "attention_gradients",
    "batch_norms",
    "conv_gradients",
    "norm_gradients",
    "pool_gradients",
    "slice_gradients",
]
