"""What training needs besides the forward pass: batch norms, gradients, and sums for biases."""

from netruntime.native.lowering.gradients import batch_norms, conv_gradients, pool_gradients

__all__ = ["batch_norms", "conv_gradients", "pool_gradients"]
