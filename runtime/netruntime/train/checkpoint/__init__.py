"""Checkpoints: the state of training on the disk, which a kill at any moment does not lose."""

from netruntime.train.checkpoint.contract import JSON, WEIGHTS, Checkpoint
from netruntime.train.checkpoint.folder import CheckpointFolder
from netruntime.train.checkpoint.writing import save_weights

__all__ = ["JSON", "WEIGHTS", "Checkpoint", "CheckpointFolder", "save_weights"]
