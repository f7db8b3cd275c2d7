"""What a run shows as it goes: a live display in a terminal, plain lines elsewhere, nothing where asked."""

from netruntime.train.progress.display import TrainingProgress
from netruntime.train.progress.pictures import confusion_table, confusion_text, half_blocks, shade_text

__all__ = ["TrainingProgress", "confusion_table", "confusion_text", "half_blocks", "shade_text"]
