"""Calls of operators and blocks, stages of a pipeline, and scans."""
