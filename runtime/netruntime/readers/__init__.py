"""Readers of what a command line or a program names as input: arrays, tables, pictures, text."""
