"""The progress of a run: a live display in a terminal, plain lines elsewhere, or nothing."""

from netruntime.train.progress.display import TrainingProgress
from netruntime.train.progress.pictures import confusion_table, confusion_text, half_blocks, shade_text

__all__ = ["TrainingProgress", "confusion_table", "confusion_text", "half_blocks", "shade_text"]
