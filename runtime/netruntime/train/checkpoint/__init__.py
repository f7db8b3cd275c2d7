"""Checkpoints: the state of training on disk, which survives a kill at any moment."""

from netruntime.train.checkpoint.contract import JSON, WEIGHTS, Checkpoint
from netruntime.train.checkpoint.folder import CheckpointFolder
from netruntime.train.checkpoint.writing import save_weights

__all__ = ["JSON", "WEIGHTS", "Checkpoint", "CheckpointFolder", "save_weights"]
