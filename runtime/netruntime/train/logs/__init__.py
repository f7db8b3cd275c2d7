"""Logs written while a run trains."""
