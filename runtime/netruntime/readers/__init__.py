"""Readers of the data that a command line or a program names: arrays, tables, images, text."""
