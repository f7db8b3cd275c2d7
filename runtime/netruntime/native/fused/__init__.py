"""Operators that only the passes of the native engine make; their `forward` says what they mean."""

from netruntime.native.fused.caches import AppendPacked, CachedAttention
from netruntime.native.fused.cells import CellSteps, GRUSteps, LSTMSteps, RNNSteps
from netruntime.native.fused.gradients import ReluGradient
from netruntime.native.fused.products import Fused

__all__ = [
    "AppendPacked",
    "CachedAttention",
    "CellSteps",
    "Fused",
    "GRUSteps",
    "LSTMSteps",
    "RNNSteps",
    "ReluGradient",
]
