"""What a run leaves to be read: its log, curves and model card."""
