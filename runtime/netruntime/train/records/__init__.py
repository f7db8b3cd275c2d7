"""The records of a run: its curves and its model card."""
