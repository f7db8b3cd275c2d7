"""Shared by several commands: options, failures, output, opening files."""
