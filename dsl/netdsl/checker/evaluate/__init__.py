"""Evaluates expressions and statements on types."""
