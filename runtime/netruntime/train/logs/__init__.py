"""Logs that are written during training."""
